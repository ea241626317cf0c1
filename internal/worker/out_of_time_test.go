package worker_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// slowStore has these outcomes for the writes of a batch.
type slowStore struct {
	fakeStore

	outcomes []store.Written
}

func (s *slowStore) WriteInParts(_ context.Context, writes []store.Write,
	done func([]int, []store.Written),
) []store.Written {
	for i := range writes {
		done([]int{i}, s.outcomes)
	}
	return s.outcomes
}

// TestOutOfTime: where a batch had time for a part of it, the rest is worth asking again. Where it
// got nowhere that would only add to what the database can't do.
func TestOutOfTime(t *testing.T) {
	t.Parallel()
	late := store.Written{
		Err: fmt.Errorf("%w: no time was left: %w", store.ErrUnavailable, context.DeadlineExceeded),
	}
	applied := store.Written{Document: store.Document{Version: 1}}
	two := []messages.Operation{
		write(1, messages.ActionReplace, document(`{}`)),
		write(2, messages.ActionReplace, document(`{}`)),
	}
	for name, c := range map[string]struct {
		outcomes []store.Written
		kind     messages.Kind
		busy     bool
	}{
		"a part":  {[]store.Written{applied, late}, messages.KindUnavailable, true},
		"nothing": {[]store.Written{late, late}, messages.KindOverloaded, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc := connect(t)
			start(t, nc, &slowStore{outcomes: c.outcomes}, config)
			last := ask(t, nc, messages.WriteSubject, two...).Results[1]
			if last.Kind != c.kind || last.Busy != c.busy {
				t.Errorf("%+v", last)
			}
		})
	}
}
