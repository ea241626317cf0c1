package deploy_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dashboard is as much of Grafana's classic model as our dashboards use.
type dashboard struct {
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Description   string   `json:"description"`
	Tags          []string `json:"tags"`
	SchemaVersion int      `json:"schemaVersion"`
	Editable      bool     `json:"editable"`
	GraphTooltip  int      `json:"graphTooltip"` // 1: one crosshair for all
	Refresh       string   `json:"refresh"`
	Time          struct{ From, To string }
	Annotations   struct{}
	Links         []map[string]any
	Templating    struct {
		List []struct{ Type, Name, Label, Query string }
	}
	Panels []panel
}

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ Type, UID string }
	FieldConfig struct {
		Defaults struct {
			Unit   string
			Min    *float64
			Custom struct {
				FillOpacity int
				Stacking    struct{ Mode string }
			}
		}
		Overrides []struct{}
	}
	Targets []struct{ RefID, LegendFormat, Expr string }
}

// TestDashboards: the dashboards have no field that Grafana doesn't know, no panel hides another,
// each query asks for what there is, and each legend names labels that its result has. Grafana
// itself isn't started.
func TestDashboards(t *testing.T) {
	t.Parallel()
	metrics := read(t, "../docs/metrics.md")
	there := exported(t, metrics, read(t, "prometheus/rules.yml"))
	files, err := filepath.Glob("grafana/*.json")
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		var d dashboard
		fields := json.NewDecoder(strings.NewReader(read(t, file)))
		fields.DisallowUnknownFields()
		if err := fields.Decode(&d); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if source := d.Templating.List; len(source) != 1 || source[0].Name != "datasource" ||
			d.UID != "outset-"+strings.TrimSuffix(filepath.Base(file), ".json") {
			t.Errorf("%s: %+v", file, d)
		}
		for i, p := range d.Panels {
			if p.ID != i+1 || p.Type != "timeseries" || p.Description == "" ||
				p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" ||
				slices.ContainsFunc(d.Panels[:i], p.hides) || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: %+v", file, p)
			}
			for _, q := range p.Targets {
				text := strings.ReplaceAll(q.Expr, "$__rate_interval", "5m")
				of := query{t, text, there, metrics}.check()
				for _, label := range found(`{{(\w+)}}`, q.LegendFormat) {
					if !slices.Contains(of, label) {
						t.Errorf("%s: %s: the result has no label %s", file, q.Expr, label)
					}
				}
			}
		}
	}
}

// hides tells whether two panels have a place in common.
func (p panel) hides(other panel) bool {
	a, b := p.GridPos, other.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}
