package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// onlyIf puts a condition on a write.
func onlyIf(w store.Write, c settings.Condition) store.Write {
	w.If = &c
	return w
}

func match(versions ...int64) settings.Condition {
	var v settings.Versions
	for _, n := range versions {
		v.Listed = append(v.Listed, settings.Tag{Version: n})
	}
	return settings.Condition{Match: &v}
}

// TestConditions: a condition is checked against the document that the writes before it have left,
// in the same batch and in others. A refusal has that document.
func TestConditions(t *testing.T) {
	t.Parallel()
	anyVersion := &settings.Versions{Any: true}
	for name, apart := range map[string]bool{"in one batch": false, "in several": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, url := open(t)
			steps := []struct {
				write   store.Write
				refused bool
				version int64 // afterwards
				is      string
			}{
				{onlyIf(replace(t, "ann", "1", `{"n":1}`), match(1)), true, 0, ""},
				{onlyIf(wrap("ann", "2"), settings.Condition{Match: anyVersion}), true, 0, ""},
				{
					onlyIf(replace(t, "ann", "3", `{"n":1}`), settings.Condition{
						NoneMatch: anyVersion,
					}),
					false, 1, `{"n":1}`,
				},
				{
					onlyIf(replace(t, "ann", "4", `{"n":2}`), settings.Condition{
						NoneMatch: anyVersion,
					}),
					true, 1, `{"n":1}`,
				},
				{onlyIf(replace(t, "ann", "5", `{"n":2}`), match(7, 1)), false, 2, `{"n":2}`},
				{onlyIf(restore("ann", "6", 1), match(1)), true, 2, `{"n":2}`},
				{onlyIf(erase("ann", "7"), match(1)), true, 2, `{"n":2}`},
				{
					onlyIf(replace(t, "ann", "8", `{}`), settings.Condition{
						UnmodifiedSince: time.Unix(0, 0),
					}),
					true, 2, `{"n":2}`,
				},
				{
					onlyIf(remove("ann", "9"), settings.Condition{
						UnmodifiedSince: time.Now().Add(time.Hour),
					}),
					false, 3, "",
				},
				{
					onlyIf(replace(t, "ann", "10", `{}`), settings.Condition{Match: anyVersion}),
					true, 3, "",
				},
				{onlyIf(replace(t, "ann", "11", `{"n":4}`), match(0)), false, 4, `{"n":4}`},
			}
			var writes []store.Write
			var written []store.Written
			for _, step := range steps {
				writes = append(writes, step.write)
				if apart {
					written = append(written, s.Write(t.Context(), []store.Write{step.write})...)
				}
			}
			if !apart {
				written = s.Write(t.Context(), writes)
			}
			for i, step := range steps {
				err := written[i].Err
				refused := errors.Is(err, settings.ErrPrecondition)
				if refused != step.refused || (err != nil) != step.refused {
					t.Errorf("write %s: %v, want refused: %v", step.write.ID, err, step.refused)
				}
				isDocument(t, "write "+step.write.ID, written[i].Document, step.version, step.is)
			}
			check(t, s, "ann", 4, `{"n":4}`)
			checkLog(t, connect(t, url))
		})
	}
}

// TestIDBeforeCondition: a repeated compare-and-set gets its first answer again, although its
// condition no longer holds.
func TestIDBeforeCondition(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	write(t, s, replace(t, "ann", "1", `{"n":1}`))
	cas := onlyIf(replace(t, "ann", "2", `{"n":2}`), match(1))
	first := write(t, s, cas)[0]
	write(t, s, replace(t, "ann", "3", `{"n":3}`), remove("ann", "4"))
	isReplay(t, "the repetition", write(t, s, cas)[0], first)
	cas.ID = "5"
	w := s.Write(t.Context(), []store.Write{cas})[0]
	if !errors.Is(w.Err, settings.ErrPrecondition) {
		t.Errorf("another one: %+v", w)
	}
	isDocument(t, "the current document", w.Document, 4, "")
}

// TestCompareAndSetRaced: of several workers that replace the same version, one succeeds.
func TestCompareAndSetRaced(t *testing.T) {
	t.Parallel()
	a, url := open(t)
	const rounds = 20
	stores := []*store.Store{a, reopen(t, url), reopen(t, url)}
	for round := range rounds {
		outcomes := make([]store.Written, len(stores))
		var wg sync.WaitGroup
		for n, s := range stores {
			w := onlyIf(replace(t, "ann", fmt.Sprint(n, "/", round), fmt.Sprintf(`{"by":%d}`, n)),
				match(int64(round)))
			wg.Go(func() {
				outcomes[n].Err = store.ErrUnavailable
				for errors.Is(outcomes[n].Err, store.ErrUnavailable) {
					outcomes[n] = s.Write(t.Context(), []store.Write{w})[0]
				}
			})
		}
		wg.Wait()
		won := 0
		for n, o := range outcomes {
			if o.Err == nil {
				won++
				check(t, a, "ann", int64(round+1), fmt.Sprintf(`{"by":%d}`, n))
			} else if !errors.Is(o.Err, settings.ErrPrecondition) || o.Version != int64(round+1) {
				t.Errorf("round %d, worker %d: %+v", round, n, o)
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d won", round, won)
		}
	}
	checkLog(t, connect(t, url))
}
