package report

import (
	"math"
	"testing"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   Spread
		text   string
	}{
		{[]float64{5, 1, 3}, Spread{3, 1, 5}, "3 (1–5)"},
		{[]float64{4, 1, 2, 9}, Spread{3, 1, 9}, "3 (1–9)"},
		{[]float64{7}, Spread{7, 7, 7}, "7"},
	} {
		if got := SpreadOf(test.values); got != test.want || got.text("%.0f") != test.text {
			t.Errorf("%v: %v, %q", test.values, got, got.text("%.0f"))
		}
	}
	if none := SpreadOf(nil); !math.IsNaN(none.Median) || none.text("%.0f") != "–" {
		t.Errorf("of nothing: %v", none)
	}
}

// TestRatio: the sides are compared within a round, so that a machine that gets slower changes
// nothing; a round that one side has no result of isn't compared.
func TestRatio(t *testing.T) {
	t.Parallel()
	runs := []Run{
		{Kind: Closed, Side: "outset", Round: 0, Throughput: 200},
		{Kind: Closed, Side: "outset", Round: 1, Throughput: 20},
		{Kind: Closed, Side: "outset", Round: 2, Throughput: 30},
		{Kind: Closed, Side: Direct, Round: 0, Throughput: 100},
		{Kind: Closed, Side: Direct, Round: 1, Throughput: 10},
		{Kind: Closed, Side: Direct, Round: 2, Throughput: 1, Invalid: "errors"},
	}
	got := ratio(where(runs, side("outset")), where(runs, side(Direct)), throughput)
	if want := (Spread{2, 2, 2}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
