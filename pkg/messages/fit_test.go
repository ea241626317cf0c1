package messages_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/pkg/messages"
)

// parts puts results into as many replies as it takes, as a worker does, and returns how many that
// are. It fails unless each has one result at least and is at most so many bytes long.
func parts(t rapid.TB, results []messages.Result, maxPayload int64) (replies int) {
	t.Helper()
	for from := 0; from < len(results); replies++ {
		n := messages.Fitting(results[from:], messages.Capacity(maxPayload))
		if n < 1 {
			t.Fatal("nothing fits")
		}
		r := messages.Reply{Worker: workerID, Results: results[from : from+n]}
		for i := range n {
			r.Of = append(r.Of, from+i)
		}
		data, err := messages.EncodeReply(r)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(data)) > maxPayload {
			t.Fatalf("%d results take %d bytes, over %d", n, len(data), maxPayload)
		}
		from += n
	}
	return replies
}

func TestFitting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(results(), 1, 6).Draw(t, "sorts of results")
		n := rapid.SampledFrom([]int{1, 2, 3, 32, messages.MaxOperations}).Draw(t, "count")
		all := make([]messages.Result, n)
		for i := range all {
			all[i] = kinds[i%len(kinds)]
		}
		parts(t, all, payloads().Draw(t, "max_payload"))
	})
}

// TestFittingAtTheLimits has as many results as can be, each as large as can be, in messages as
// small as can be.
func TestFittingAtTheLimits(t *testing.T) {
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
			if got := parts(t, c.results, c.maxPayload); got > c.most {
				t.Errorf("%d messages, want at most %d", got, c.most)
			}
		})
	}
}

// TestFittingWithoutCapacity: even then one is sent, else there would be no end.
func TestFittingWithoutCapacity(t *testing.T) {
	t.Parallel()
	all := slices.Repeat([]messages.Result{{Version: 1, Document: []byte(theme)}}, 3)
	if n := messages.Fitting(all, 0); n != 1 {
		t.Errorf("%d results fit", n)
	}
}
