package e2e

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/internal/top"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestSlowWorkerIsFound does what docs/operations.md says: of four workers that get the same share
// of the work, the one with a slow way to Postgres stands out by its latencies and its lanes.
func TestSlowWorkerIsFound(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	for range 3 {
		s.newWorker()
	}
	wire := s.wireToPostgres()
	slow := strconv.Itoa(s.newWorker().cmd.Process.Pid)
	l := startLoad(t, s.newAPI(), "one worker is slow")
	const late = 50 * time.Millisecond
	wire.delay(late)
	asker := &top.Asker{Dial: s.operator}
	defer asker.Close()
	testwait.Until(t, testTimeout, "the slow worker is found", func() bool {
		pool, err := asker.Once(ctx, time.Second)
		s.do(err)
		if len(pool.Workers) != 4 {
			return false
		}
		slowest := slices.MaxFunc(pool.Workers, func(a, b top.Worker) int {
			return cmp.Compare(a.Read.P50, b.Read.P50)
		})
		busiest := slices.MaxFunc(pool.Workers, func(a, b top.Worker) int {
			return cmp.Compare(a.Read.Utilisation, b.Read.Utilisation)
		})
		t.Log("\n" + pool.Text())
		return slowest.PID == slow && slowest.Read.P50 >= top.Figure(late.Seconds()) &&
			busiest.PID == slow
	})
	l.finish()
	s.do(l.report(t))
}

// operator connects to the queue as `outset top` does.
func (s *system) operator() (*nats.Conn, error) {
	key, err := nats.NkeyOptionFromSeed(localnats.KeyFile(s.keys, localnats.Operator))
	if err != nil {
		return nil, err
	}
	return nats.Connect(s.queue, key, nats.CustomInboxPrefix(messages.OperatorInbox))
}
