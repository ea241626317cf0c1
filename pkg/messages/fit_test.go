package messages_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/pkg/messages"
)

// fit returns what Fit makes of results, and fails unless that is allowed: the first stays, the
// others stay unchanged or are replaced by KindAskAgain, and all fit in one message.
// What was a repetition stays one.
func fit(t rapid.TB, results []messages.Result, maxPayload int64) []messages.Result {
	t.Helper()
	fitted := slices.Clone(results)
	messages.Fit(fitted, messages.Capacity(maxPayload))
	for i, r := range fitted {
		again := reflect.DeepEqual(r, messages.Result{
			Kind: messages.KindAskAgain, Replayed: results[i].Replayed,
		})
		if unchanged := reflect.DeepEqual(r, results[i]); !unchanged && (i == 0 || !again) {
			t.Fatalf("result %d of %d was changed: %.200v", i, len(results), r)
		}
	}
	data, err := messages.EncodeReply(messages.Reply{Worker: workerID, Results: fitted})
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) > maxPayload {
		t.Fatalf("%d results take %d bytes, over %d", len(results), len(data), maxPayload)
	}
	return fitted
}

// rounds sends again what did not fit, as the API does, until every result has come, and returns
// how many requests it took.
func rounds(t rapid.TB, results []messages.Result, maxPayload int64) (requests int) {
	t.Helper()
	for open := results; len(open) > 0; requests++ {
		if requests > len(results) {
			t.Fatal("it has no end")
		}
		var again []messages.Result
		for i, r := range fit(t, open, maxPayload) {
			if r.Kind == messages.KindAskAgain {
				again = append(again, open[i])
			}
		}
		open = again
	}
	return requests
}

func TestFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(results(), 1, 6).Draw(t, "sorts of results")
		n := rapid.SampledFrom([]int{1, 2, 3, 32, messages.MaxOperations}).Draw(t, "count")
		all := make([]messages.Result, n)
		for i := range all {
			all[i] = kinds[i%len(kinds)]
			if all[i].Kind == messages.KindAskAgain {
				all[i].Kind = "" // the mark that the test looks for
			}
		}
		fit(t, all, payloads().Draw(t, "max_payload"))
	})
}

// TestFitAtTheLimits has as many results as can be, each as large as can be, in messages as small
// as can be.
func TestFitAtTheLimits(t *testing.T) {
	t.Parallel()
	document := bytes.Repeat([]byte("d"), messages.MaxDocument)
	large := messages.Result{Version: 1 << 62, Document: document}
	usual := messages.Result{Version: 1 << 62, Document: document[:64<<10]}
	small := messages.Result{Version: 1}
	patched := messages.Result{Version: 1, Document: document[:64<<10], Replayed: true}
	failed := messages.Result{
		Kind: messages.KindIDReused, Detail: string(document[:messages.MaxDetail]),
	}
	many := func(r messages.Result, n int) []messages.Result {
		return slices.Repeat([]messages.Result{r}, n)
	}
	for name, c := range map[string]struct {
		results    []messages.Result
		maxPayload int64
		most       int // messages that it may take
	}{
		"nothing": {nil, messages.MinPayload, 0},
		"one":     {many(large, 1), messages.MinPayload, 1},
		"many small ones": {
			many(small, messages.MaxOperations), messages.MinPayload,
			1,
		},
		"a usual batch of large ones": {many(usual, 32), 1 << 20, 3},
		"repetitions":                 {many(patched, 32), 1 << 20, 3},
		"small ones after a large": {
			append(many(large, 1), many(small, 255)...),
			messages.MinPayload, 1,
		},
		"small ones among large ones": {slices.Repeat(append(many(large, 1), many(small, 31)...),
			8), messages.MinPayload, 8},
		"all of them failed": {
			many(failed, messages.MaxOperations), messages.MinPayload,
			4,
		},
		"all of them large": {many(large, 40), messages.MinPayload, 40},
		"all of them usual": {many(usual, 200), messages.MinPayload, 200 / 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := rounds(t, c.results, c.maxPayload); got > c.most {
				t.Errorf("%d messages, want at most %d", got, c.most)
			}
		})
	}
}

// TestFitLeavesWhatFits: nothing is left out while there is capacity.
func TestFitLeavesWhatFits(t *testing.T) {
	t.Parallel()
	all := slices.Repeat([]messages.Result{{Version: 1, Document: []byte(theme)}},
		messages.MaxOperations)
	for i, r := range fit(t, all, messages.MinPayload) {
		if r.Kind != "" {
			t.Fatalf("result %d of %d small ones were left out", i, len(all))
		}
	}
}

// TestFitWithoutCapacity: even then the first stays, else asking again would have no end.
func TestFitWithoutCapacity(t *testing.T) {
	t.Parallel()
	all := slices.Repeat([]messages.Result{{Version: 1, Document: []byte(theme)}}, 3)
	messages.Fit(all, 0)
	if all[0].Kind != "" || string(all[0].Document) != theme {
		t.Errorf("the first became %+v", all[0])
	}
}
