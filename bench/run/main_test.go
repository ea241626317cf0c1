package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/bench/report"
)

func TestParse(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-experiments", "reads,cpu", "-connections", "4,8", "-duration", "2s"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.experiments, []string{"reads", "cpu"}) ||
		!slices.Equal(o.connections, []int{4, 8}) || o.duration != 2*time.Second {
		t.Errorf("%+v", o)
	}
	for _, args := range [][]string{
		{"-experiments", "dreams"},
		{"-connections", "0"},
		{"-rounds", "0"},
		{"-duration", "1ms"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

// TestPlan: what several experiments want is measured once, and by all sides if one wants them all.
func TestPlan(t *testing.T) {
	t.Parallel()
	l := &lab{options: options{connections: []int{1, 64}, users: 10}}
	for _, e := range experiments {
		if e.plan != nil {
			e.plan(l)
		}
	}
	count := make(map[string]int)
	for _, j := range l.planned {
		if j.kind != report.Closed || j.users != 10 {
			t.Errorf("%+v", j)
		}
		count[j.label()]++
		if j.connections == 64 && !j.zipf && j.only != "" {
			t.Errorf("only %s: %+v", j.only, j)
		}
	}
	for label, want := range map[string]int{
		"read": 4, "replace": 4, "patch": 2, "read, Zipf": 1,
		"replace, Zipf": 1,
	} {
		if count[label] != want {
			t.Errorf("%s: %d times, want %d", label, count[label], want)
		}
	}
}

// TestAsDeployed: what is measured has the settings that are shipped.
func TestAsDeployed(t *testing.T) {
	t.Parallel()
	for file, wants := range map[string][]string{
		"../../deploy/Dockerfile": {
			"AS api\nENV " + wakeful + "\n",
			"AS worker\nENV " + wakeful + "\n",
		},
		"../../compose.yaml": {
			strings.Replace(wakeful, "=", ": ", 1),
			"GOMAXPROCS: ${NATS_PROCESSORS:-" + strings.TrimPrefix(oneProcessor, "GOMAXPROCS=") +
				"}",
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
	s, err := parseSpec("outset:2@/tmp/bin+GOGC=400+LOG_LEVEL=info")
	want := spec{
		kind: "outset", number: 2, folder: "/tmp/bin",
		env: []string{"GOGC=400", "LOG_LEVEL=info"}, name: s.name,
	}
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, wrong := range []string{"", "outsets", "direct:0", "direct:x"} {
		if s, err := parseSpec(wrong); err == nil {
			t.Errorf("%q: %+v", wrong, s)
		}
	}
}

func TestFreePorts(t *testing.T) {
	t.Parallel()
	ports, err := freePorts(4)
	if err != nil || len(ports) != 4 || ports[3] != ports[0]+3 {
		t.Errorf("%v, %v", ports, err)
	}
}
