package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// maxStale is how many replies that nobody waits for any more an inbox can hold beside the one that
// is awaited.
const maxStale = 16

// mailroom makes requests of NATS. It does what nats.Conn.Request does, but for the goroutine
// between the connection and whoever waits, and the context and its timer for each: subscriptions
// are kept and used again.
type mailroom struct {
	nc *nats.Conn

	mu   sync.Mutex
	idle []*inbox
}

// inbox is where the replies to one request after the other come.
type inbox struct {
	prefix  string
	sent    uint64
	replies chan *nats.Msg
	timer   *time.Timer
}

// errNotSent: NATS surely didn't get the request as a whole. What was written of it, if anything,
// ends with the connection, and the server ignores it.
var errNotSent = errors.New("the request was not sent")

// request publishes data and returns the first reply. Its error is nats.ErrNoResponders,
// errNotSent, nats.ErrTimeout at until, or that of the context.
func (m *mailroom) request(
	ctx context.Context, subject string, data []byte, until time.Time,
) (*nats.Msg, error) {
	in, err := m.take()
	if err != nil {
		return nil, err
	}
	defer m.give(in)
	return in.request(ctx, m.nc, subject, data, until)
}

func (in *inbox) request(
	ctx context.Context, nc *nats.Conn, subject string, data []byte, until time.Time,
) (*nats.Msg, error) {
	// A subject of its own for each request: a reply that comes late can't be taken for another's.
	in.sent++
	reply := in.prefix + strconv.FormatUint(in.sent, 36)
	for len(in.replies) > 0 {
		<-in.replies
	}
	if err := nc.PublishRequest(subject, reply, data); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	in.timer.Reset(time.Until(until))
	defer in.timer.Stop()
	for {
		select {
		case m := <-in.replies:
			switch {
			case m.Subject != reply:
			case len(m.Data) == 0 && m.Header.Get("Status") == "503": // NATS ADR-7
				return nil, nats.ErrNoResponders
			default:
				return m, nil
			}
		case <-in.timer.C:
			return nil, nats.ErrTimeout
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// take returns an inbox for the caller alone.
func (m *mailroom) take() (*inbox, error) {
	m.mu.Lock()
	if n := len(m.idle); n > 0 {
		in := m.idle[n-1]
		m.idle = m.idle[:n-1]
		m.mu.Unlock()
		return in, nil
	}
	m.mu.Unlock()
	in := &inbox{
		prefix: m.nc.NewInbox() + ".", replies: make(chan *nats.Msg, 1+maxStale),
		timer: time.NewTimer(time.Hour),
	}
	if _, err := m.nc.ChanSubscribe(in.prefix+"*", in.replies); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	return in, nil
}

func (m *mailroom) give(in *inbox) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle = append(m.idle, in)
}
