package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/testmetrics"
)

// metric is what docs/metrics.md says of a metric beside its name.
type metric struct {
	kind   string // counter, gauge or histogram
	labels string // their names in the order of the alphabet, with a space between
}

func (m metric) String() string { return fmt.Sprintf("%s {%s}", m.kind, m.labels) }

// TestMetrics scrapes the programs under load: what they export is what is documented, counts what
// has happened, and does not grow with users, paths or methods.
func TestMetrics(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	w := s.newWorker()
	a, base := s.api(s.bin)
	s.do(a.listens(ctx, "admin listening"))
	adminAPI, adminWorker := "http://"+a.addr, "http://"+w.addr

	load := startLoad(t, base, "load") // readers and writers of all kinds
	s.eachCounts(base, 60)
	s.do(waitFor(ctx, "the load to have written", func(context.Context) error {
		api := s.scrape(adminAPI)
		if n := api.values[`outset_api_operations_total{kind="ok",queue="write"}`]; n < 200 {
			return fmt.Errorf("%v so far", n)
		}
		return nil
	}))
	load.finish()
	api, worker := s.scrape(adminAPI), s.scrape(adminWorker)
	checkDocumented(t, api, worker)

	count := func(route, method string, status int) float64 {
		return api.values[fmt.Sprintf("outset_http_requests_total{method=%q,route=%q,status=\"%d\"}",
			method, route, status)]
	}
	if n := count("/limits", http.MethodGet, 200); n != 60 {
		t.Errorf("%v of 60 requests for the limits are counted", n)
	}
	if n := count("none", http.MethodGet, 404); n != 60 {
		t.Errorf("%v of 60 requests for nothing are counted", n)
	}
	written := `_operations_total{%skind="ok"%s}`
	byAPI := api.values["outset_api"+fmt.Sprintf(written, "", `,queue="write"`)]
	byWorker := worker.values["outset_worker"+fmt.Sprintf(written, `endpoint="write",`, "")]
	if byWorker < byAPI { // more: what had no answer in time was asked again
		t.Errorf("the API counts %v writes, and the worker %v", byAPI, byWorker)
	}

	s.eachCounts(base, 200)
	if after := s.scrape(adminAPI); len(after.values) != len(api.values) {
		t.Errorf("after requests for other users and paths there are %d series, and were %d",
			len(after.values), len(api.values))
	}
}

// eachCounts sends requests of a few kinds, each with a user, a path and a method that nobody has
// sent before.
func (s *system) eachCounts(base string, times int) {
	s.t.Helper()
	for i := range times {
		for _, c := range []call{
			{method: http.MethodGet, path: "/limits"},
			{method: http.MethodGet, path: fmt.Sprintf("/nowhere-%d", i)},
			{method: fmt.Sprintf("BREW%d", i), path: "/limits"},
			{method: http.MethodGet, path: settingsOf(fmt.Sprintf("metric %d of %d", i, times))},
		} {
			_, err := s.send(base, c)
			s.do(err)
		}
	}
}

// scraped is what a program exports, without what every Go program does.
type scraped struct {
	values  testmetrics.Values
	metrics map[string]metric
}

// scrape asks the program at this admin address for its metrics.
func (s *system) scrape(admin string) scraped {
	s.t.Helper()
	a, err := s.want(admin, call{method: http.MethodGet, path: "/metrics"}, http.StatusOK, -1)
	s.do(err)
	var ours []string
	of := scraped{metrics: make(map[string]metric)}
	kinds := make(map[string]string)
	for line := range strings.Lines(a.body) {
		switch {
		case strings.HasPrefix(line, "# TYPE outset_"):
			fields := strings.Fields(line)
			kinds[fields[2]] = fields[3]
		case strings.HasPrefix(line, "outset_"):
			ours = append(ours, line)
		case !strings.HasPrefix(line, "#") && !everyProgram.MatchString(line):
			s.t.Errorf("%s exports %s", admin, line)
		}
	}
	of.values = testmetrics.Parse(s.t, strings.Join(ours, ""))
	for series := range of.values {
		name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
		if _, ok := kinds[name]; !ok {
			name = histogramSuffix.ReplaceAllString(name, "")
		}
		var names []string
		for _, label := range labelName.FindAllStringSubmatch(labels, -1) {
			if label[1] != "le" {
				names = append(names, label[1])
			}
		}
		slices.Sort(names)
		m := metric{kinds[name], strings.Join(names, " ")}
		if known, ok := of.metrics[name]; ok && known != m {
			s.t.Errorf("%s is %v and %v", name, known, m)
		}
		of.metrics[name] = m
	}
	return of
}

var (
	everyProgram    = regexp.MustCompile(`^(go|process)_`)
	histogramSuffix = regexp.MustCompile(`_(bucket|count|sum)$`)
	labelName       = regexp.MustCompile(`([a-z_]+)="(?:[^"\\]|\\.)*"`)
	documentedRow   = regexp.MustCompile("(?m)^\\| `(outset_\\w+)` \\| (\\w+) \\|([^|]*)\\|")
	documentedLabel = regexp.MustCompile("`(\\w+)`")
)

// checkDocumented compares what the programs export with docs/metrics.md.
func checkDocumented(t *testing.T, programs ...scraped) {
	t.Helper()
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]metric)
	for _, row := range documentedRow.FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for _, label := range documentedLabel.FindAllStringSubmatch(row[3], -1) {
			labels = append(labels, label[1])
		}
		slices.Sort(labels)
		documented[row[1]] = metric{row[2], strings.Join(labels, " ")}
	}
	exported := make(map[string]metric)
	for _, p := range programs {
		maps.Copy(exported, p.metrics)
	}
	for name, m := range exported {
		if known, ok := documented[name]; !ok {
			t.Errorf("%s (%v) is exported, and not in docs/metrics.md", name, m)
		} else if m != known {
			t.Errorf("%s is %v, and in docs/metrics.md %v", name, m, known)
		}
	}
	for name := range documented {
		if _, ok := exported[name]; !ok {
			t.Errorf("%s is in docs/metrics.md, and not exported", name)
		}
	}
	for _, word := range regexp.MustCompile(`outset_\w+`).FindAllString(string(text), -1) {
		if _, ok := documented[word]; !ok {
			t.Errorf("docs/metrics.md speaks of %s, which no table has", word)
		}
	}
}
