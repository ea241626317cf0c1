package worker_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/store"
)

// heldUsers is a store that commits the writes of some users when it is told to, after all others
// of the same batch.
type heldUsers struct {
	fakeStore
	gates map[string]chan struct{}
	held  atomic.Int32
}

func (s *heldUsers) WriteInParts(_ context.Context, writes []store.Write,
	done func([]int, []store.Written),
) []store.Written {
	outcomes := make([]store.Written, len(writes))
	var later []int
	for i, w := range writes {
		if s.gates[w.User] != nil {
			later = append(later, i)
		} else {
			done([]int{i}, outcomes)
		}
	}
	for _, i := range later {
		s.held.Add(1)
		<-s.gates[writes[i].User]
		done([]int{i}, outcomes)
	}
	return outcomes
}

// TestAnswersWhatIsCommitted: a write is answered when it is committed, whatever others of the
// batch and of its own request are still waiting for. Meanwhile the worker says that it is at them.
func TestAnswersWhatIsCommitted(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	s := &heldUsers{gates: map[string]chan struct{}{"gina": make(chan struct{})}}
	var lanes []string
	for i := range worker.Lanes {
		lanes = append(lanes, fmt.Sprint("lane", i))
		s.gates[lanes[i]] = make(chan struct{})
	}
	start(t, nc, s, config)
	var replies []*nats.Subscription
	for i, user := range lanes { // so that what comes next waits for one batch
		replies = append(replies, send(t, nc, replace(user, "1", `{}`)))
		eventually(t, "the batch is held", func() bool { return s.held.Load() == int32(i+1) })
	}
	gina := send(t, nc, replace("gina", "1", `{}`))
	both := send(t, nc, replace("ann", "1", `{}`), replace("gina", "2", `{}`))
	bob := send(t, nc, replace("bob", "1", `{}`))
	eventually(t, "all are taken", func() bool { return stats(t, nc)[1].inFlight == 7 })

	close(s.gates[lanes[0]])
	succeeds(t, replies[0], 1)
	succeeds(t, bob, 1)
	if r := nextReply(t, both, 2); !slices.Equal(r.Of, []int{0}) || r.Results[0].Kind != "" {
		t.Errorf("what was committed of two: %+v", r)
	}
	for _, sub := range []*nats.Subscription{gina, both} {
		for n, _, err := sub.Pending(); n > 0 && err == nil; n, _, err = sub.Pending() {
			m, err := sub.NextMsg(deadline)
			if err != nil {
				t.Fatal(err)
			}
			if r := decode(t, m, 2); !r.Working {
				t.Errorf("before the commit: %+v", r)
			}
		}
	}
	close(s.gates["gina"])
	succeeds(t, gina, 1)
	if r := nextReply(t, both, 2); !slices.Equal(r.Of, []int{1}) || r.Results[0].Kind != "" {
		t.Errorf("the other of the two: %+v", r)
	}
	for i, user := range lanes[1:] {
		close(s.gates[user])
		succeeds(t, replies[i+1], 1)
	}
}

// succeeds waits for the replies to n operations.
func succeeds(t *testing.T, sub *nats.Subscription, n int) {
	t.Helper()
	for _, r := range collect(t, sub, n).Results {
		if r.Kind != "" {
			t.Errorf("%+v", r)
		}
	}
}
