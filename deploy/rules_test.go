package deploy_test

import (
	"cmp"
	"fmt"
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

// TestRules: the rules for Prometheus speak of metrics and labels that there are, the signals for
// scaling are what the documentation says, and each alert has its paragraph. What they do is tested
// by promtool, in `make lint`.
func TestRules(t *testing.T) {
	t.Parallel()
	rules, tests := read(t, "prometheus/rules.yml"), read(t, "prometheus/rules_test.yml")
	metrics := read(t, "../docs/metrics.md")
	there := exported(t, metrics, rules)
	_, each, _ := strings.Cut(rules, "groups:")
	for rule := range strings.SplitSeq(each, "\n      - ") {
		for _, text := range found(`(?m)^ *expr: (.+)$`, rule) {
			of := query{t, text, there, metrics}.check()
			for _, label := range found(`\$labels\.(\w+)`, rule) {
				if !slices.Contains(of, label) {
					t.Errorf("%s: its result has no label %s", text, label)
				}
			}
			recorded := found(`^record: (\S+)`, rule)
			if len(recorded) == 1 && !slices.Equal(of, there[recorded[0]]) {
				t.Errorf("%s has the labels %q", recorded, of)
			}
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
	for _, rule := range regexp.MustCompile(`alert: (\w+)\n +expr: .+\n(?: +for: (\w+)\n)?.*severity: (\w+)`).FindAllStringSubmatch(rules, -1) {
		row := fmt.Sprintf("| [%s](#%s) | %s | %s |", rule[1], strings.ToLower(rule[1]), rule[3], cmp.Or(rule[2], "–"))
		if !strings.Contains(operations, row) {
			t.Errorf("the table of alerts has no %q", row)
		}
	}
	for _, alert := range alerts {
		if place := " runbook: docs/operations.md#" + strings.ToLower(alert) + "\n"; strings.Count(rules, place) != 1 {
			t.Errorf("no rule has %q", place)
		}
		if !strings.Contains(tests, alert) {
			t.Errorf("%s is not tested", alert)
		}
	}
}
