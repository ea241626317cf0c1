package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"
)

func TestParse(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"--experiments", "reads,cpu", "--connections", "4,8", "--duration", "2s"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.Experiments, []string{"reads", "cpu"}) ||
		!slices.Equal(o.Connections, []int{4, 8}) || o.Duration != 2*time.Second {
		t.Errorf("%+v", o)
	}
	for flag, value := range map[string]string{
		"--experiments": "dreams", "--sides": "outsets", "--connections": "0", "--rounds": "0",
		"--duration": "1ms",
	} {
		if _, err := parse([]string{flag, value}); err == nil {
			t.Errorf("%s %s: no error", flag, value)
		}
	}
}

// TestPlanned: a job that several experiments plan is made once, and by all sides if one of the
// experiments wants all.
func TestPlanned(t *testing.T) {
	t.Parallel()
	l := &lab{options: options{Connections: []int{1, 64}, Experiments: experimentNames()}}
	count := make(map[string]int)
	for _, j := range l.planned() {
		count[string(j.operation)+j.variant]++
		if j.variant == "" && j.kinds != "" {
			t.Errorf("only %s: %+v", j.kinds, j)
		}
	}
	const want = "map[Patch:2 Read:2 ReadOpen:1 ReadZipf:1 Write:2 WriteOpen:1 WriteZipf:1]"
	if fmt.Sprint(count) != want {
		t.Errorf("%v, want %v", count, want)
	}
}

// TestAsDeployed: the measured programs have the settings of the deployed ones.
func TestAsDeployed(t *testing.T) {
	t.Parallel()
	processors := strings.TrimPrefix(oneProcessor, "GOMAXPROCS=")
	for file, wants := range map[string][]string{
		"../../deploy/Dockerfile": {
			"AS api\nENV " + wakeful + "\n", "AS worker\nENV " + wakeful + "\n",
		},
		"../../compose.yaml": {
			strings.Replace(wakeful, "=", ": ", 1),
			"GOMAXPROCS: ${NATS_PROCESSORS:-" + processors + "}",
		},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q", file, want)
			}
		}
	}
}

func TestParseSpec(t *testing.T) {
	t.Parallel()
	var s spec
	err := s.UnmarshalText([]byte("outset:2@/tmp/bin+GOGC=400+LOG_LEVEL=info"))
	want := spec{
		kind: "outset", number: 2, folder: "/tmp/bin",
		env: []string{"GOGC=400", "LOG_LEVEL=info"}, name: s.name,
	}
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, wrong := range []string{"", "outsets", "direct:0", "direct:x"} {
		if err := new(spec).UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%q: no error", wrong)
		}
	}
}

// TestLines: results are in the benchmark format, with ratios to the base of the same round, and
// without those that do not count.
func TestLines(t *testing.T) {
	t.Parallel()
	of := func(side string, perSecond float64, err error) result {
		return result{
			side: side, name: "Read/conns=64", requests: 9, err: err,
			values: []value{{"req/s", perSecond}, {"p50-ns", 1e6}, {"rss-api-B", 1 << 20}},
		}
	}
	text := lines([]result{
		of("outset@_tmp_bin", 30, nil), of("direct", 20, nil),
		of("hono", 10, errors.New("wrong\nsize")),
	}, "direct")
	text += lines([]result{of("outset", 5, nil), of("direct", 9, errors.New("x"))}, "direct")
	var got []string
	for r := benchfmt.NewReader(strings.NewReader(text), "test"); r.Scan(); {
		line, ok := r.Result().(*benchfmt.Result)
		if !ok {
			t.Fatalf("%v in %s", r.Result(), text)
		}
		got = append(got, line.Name.String())
		ratio, ok := line.Value("%req/s")
		if want := map[int]float64{1: 150, 2: 100}[len(got)]; ratio != want || ok != (want > 0) {
			t.Errorf("%s: ratio %v, want %v", line.Name, ratio, want)
		}
	}
	want := []string{
		"Read/side=outset@_tmp_bin/conns=64", "Read/side=direct/conns=64",
		"Read/side=outset/conns=64",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
