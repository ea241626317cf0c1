package store_test

import (
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// TestTook: an outcome says how long its own write was computed, in all attempts together, and
// whether it was applied or refused.
func TestTook(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	var computed time.Duration // by the changes of ann, as they see it
	slow := func(current []byte) (settings.Next, error) {
		start := time.Now()
		for time.Since(start) < time.Millisecond {
		}
		computed += time.Since(start)
		return settings.Next{Document: current}, nil
	}
	refused := func(current []byte) (settings.Next, error) {
		_, _ = slow(current)
		return settings.Next{}, settings.ErrNotApplicable
	}
	start := time.Now()
	written := s.Write(t.Context(), []store.Write{
		changing(replace(t, "ann", "1", `{}`), slow),
		remove("bob", "1"),
		changing(replace(t, "ann", "2", `{}`), refused),
	})
	all := time.Since(start)
	took := written[0].Took + written[2].Took
	if took < computed || took+written[1].Took > all || min(written[0].Took, written[1].Took,
		written[2].Took) < 0 {
		t.Errorf("took %v, %v and %v, of %v and %v", written[0].Took, written[1].Took,
			written[2].Took, computed, all)
	}
	write(t, s, putSchema("1", `{"additionalProperties":{"type":"integer"}}`))
	for i, w := range s.Write(t.Context(), []store.Write{
		replace(t, "ann", "3", `{"a":1}`), replace(t, "bob", "3", `{"a":"b"}`),
	}) {
		if w.Took <= 0 {
			t.Errorf("checking document %d took %v: %v", i, w.Took, w.Err)
		}
	}
	checkLog(t, connect(t, url))
}
