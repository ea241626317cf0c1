package deploy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func found(expression, text string) (all []string) {
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestRules: the rules for Prometheus speak of metrics that there are, the signals for scaling are
// what the documentation says, and each alert has its paragraph. What they do is tested by promtool,
// in `make lint`.
func TestRules(t *testing.T) {
	t.Parallel()
	rules, tests := read(t, "prometheus/rules.yml"), read(t, "prometheus/rules_test.yml")
	metrics := read(t, "../docs/metrics.md")
	documented := found("(?m)^\\| `(outset_[a-z_]+)` \\|", metrics)
	// A word of a recorded name has colons around it.
	used := found(`(?:^|[^a-z_:])(outset_[a-z_]+)`, rules)
	if len(used) < 10 || len(documented) < len(used) {
		t.Fatalf("found the metrics %q, documented %q", used, documented)
	}
	for _, name := range used {
		if !slices.Contains(documented, name) {
			t.Errorf("%s is no metric", name)
		}
	}
	_, signals, _ := strings.Cut(metrics, "## Signals for scaling")
	signals, _, _ = strings.Cut(signals, "\n## ")
	for _, query := range found("\\| `([^`]+)` \\|\n", signals) {
		if !strings.Contains(rules, "expr: "+query+"\n") {
			t.Errorf("no rule records the signal %s", query)
		}
	}

	alerts := found(`alert: (\w+)`, rules)
	operations := read(t, "../docs/operations.md")
	if paragraphs := found(`(?m)^#### (Outset\w+)$`, operations); !slices.Equal(alerts, paragraphs) {
		t.Errorf("alerts %q, paragraphs %q", alerts, paragraphs)
	}
	for _, alert := range alerts {
		if link := "runbook_url: docs/operations.md#" + strings.ToLower(alert) + "\n"; strings.Count(rules, link) != 1 {
			t.Errorf("no rule has %q", link)
		}
		if !strings.Contains(tests, alert) {
			t.Errorf("%s is not tested", alert)
		}
	}
}
