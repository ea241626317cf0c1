package worker_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
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

// TestAnswersWhatIsCommitted: a request is answered when its own writes are committed, not when all
// of the batch are. One that has several is answered with the last of them.
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
	hasReply(t, replies[0], 1)
	hasReply(t, bob, 1)
	for _, held := range []*nats.Subscription{gina, both} {
		if n, _, err := held.Pending(); n != 0 || err != nil {
			t.Errorf("answered before the commit: %d, %v", n, err)
		}
	}
	close(s.gates["gina"])
	hasReply(t, gina, 1)
	hasReply(t, both, 2)
	for i, user := range lanes[1:] {
		close(s.gates[user])
		hasReply(t, replies[i+1], 1)
	}
	for _, sub := range append(replies, gina, both, bob) {
		if n, _, err := sub.Pending(); n != 0 || err != nil {
			t.Errorf("answered again: %d, %v", n, err)
		}
	}
}

// hasReply waits for the reply to n operations that succeed.
func hasReply(t *testing.T, sub *nats.Subscription, n int) {
	t.Helper()
	m, err := sub.NextMsg(deadline)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range decode(t, m, n).Results {
		if r.Kind != messages.Kind("") {
			t.Errorf("%+v", r)
		}
	}
}
