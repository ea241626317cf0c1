package deploy_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// series has the names of the labels that each metric may have.
type series map[string][]string

// ofEach are the labels that Prometheus gives to whatever it scrapes.
var ofEach = []string{"instance", "job"}

// exported returns what there is to be queried: what the programs export, by docs/metrics.md, which
// e2e's TestMetrics compares with the programs; what the rules record; and what Prometheus and each
// Go program have.
func exported(t *testing.T, metrics, rules string) series {
	t.Helper()
	all := series{
		"up": ofEach, "process_cpu_seconds_total": ofEach, "process_resident_memory_bytes": ofEach,
		"ALERTS": {"alertname", "alertstate", "severity"},
	}
	rows := regexp.MustCompile("(?m)^\\| `(outset_\\w+)` \\| (\\w+) \\|([^|]*)\\|").FindAllStringSubmatch(metrics, -1)
	for _, row := range rows {
		name, of := row[1], slices.Concat(ofEach, found("`(\\w+)`", row[3]))
		if row[2] != "histogram" {
			all[name] = of
			continue
		}
		all[name+"_count"], all[name+"_sum"] = of, of
		all[name+"_bucket"] = append(slices.Clone(of), "le")
	}
	if len(rows) < 50 {
		t.Fatalf("docs/metrics.md has only %d metrics", len(rows))
	}
	// The level of a recorded name is the labels that are left.
	for _, name := range found(`record: (\S+)`, rules) {
		level, _, _ := strings.Cut(name, ":")
		all[name] = slices.DeleteFunc(strings.Split(level, "_"), func(l string) bool { return l == "outset" })
	}
	return all
}

// query is a query that is checked.
type query struct {
	t      *testing.T
	text   string
	series series
	values string // where all values of labels stand between backticks
}

// check fails the test unless the query can be parsed and there is all that it names: metrics,
// labels, and their values. It returns the labels of the result.
func (q query) check() []string {
	q.t.Helper()
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(q.text)
	if err != nil {
		q.t.Errorf("%s: %v", q.text, err)
		return nil
	}
	return slices.Sorted(maps.Keys(q.labels(tree)))
}

type set map[string]bool

// labels returns the labels that a part of the query may have.
func (q query) labels(part parser.Node) set {
	q.t.Helper()
	all := make(set)
	for child := range parser.ChildrenIter(part) {
		maps.Copy(all, q.labels(child))
	}
	switch part := part.(type) {
	case *parser.VectorSelector:
		return q.selected(part)
	case *parser.AggregateExpr:
		q.want(all, part.Grouping)
		if !part.Without {
			all = make(set)
			for _, label := range part.Grouping {
				all[label] = true
			}
		}
	case *parser.BinaryExpr:
		if part.VectorMatching != nil {
			q.want(all, slices.Concat(part.VectorMatching.MatchingLabels, part.VectorMatching.Include))
		}
	case *parser.Call:
		if part.Func.Name == "histogram_quantile" {
			q.want(all, []string{"le"})
			delete(all, "le")
		}
	}
	return all
}

// selected returns the labels of a metric.
func (q query) selected(s *parser.VectorSelector) set {
	q.t.Helper()
	all := make(set)
	for _, label := range q.series[s.Name] {
		all[label] = true
	}
	if q.series[s.Name] == nil {
		q.t.Errorf("%s: there is no metric %s", q.text, s.Name)
	}
	for _, m := range s.LabelMatchers {
		if m.Name == "__name__" {
			continue
		}
		q.want(all, []string{m.Name})
		// Values of these are not enumerated.
		if slices.Contains(ofEach, m.Name) || m.Name == "route" || m.Name == "status" || s.Name == "ALERTS" {
			continue
		}
		for value := range strings.SplitSeq(m.Value, "|") {
			if !strings.Contains(q.values, "`"+value+"`") {
				q.t.Errorf("%s: %s is never %s", q.text, m.Name, value)
			}
		}
	}
	return all
}

// want fails the test unless there are these labels.
func (q query) want(there set, names []string) {
	q.t.Helper()
	for _, name := range names {
		if !there[name] {
			q.t.Errorf("%s: nothing there has the label %s", q.text, name)
		}
	}
}
