package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/pkg/messages"
)

// How often the workers are counted, how long they have to answer, and how long
// a probe for one of them waits.
const (
	countEvery  = time.Second
	countWindow = 300 * time.Millisecond
	probeWait   = time.Second
	forget      = time.Minute
	maxPongs    = 1024 // answers that may wait to be read; NATS drops what exceeds it
)

// pingSubject is where every worker answers (NATS micro protocol, ADR-32).
const pingSubject = "$SRV.PING." + messages.ServiceName

// pool is what the API knows about the workers: when each last gave a sign of life.
type pool struct {
	nc    *nats.Conn
	grace time.Duration

	mu      sync.Mutex
	members map[string]member // by the worker's id
	last    time.Time         // that any of them gave a sign
}

// member is what the API knows about one worker.
type member struct {
	seen   time.Time
	counts time.Time       // when it last took part in a count
	knows  messages.Action // the highest action; 0: it has not said yet
}

// sign notes that a worker has just answered.
func (p *pool) sign(worker string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	m := p.members[worker]
	m.seen = p.last
	p.members[worker] = m
}

// counted notes a worker's answer to a count.
func (p *pool) counted(pong micro.Ping) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	p.members[pong.ID] = member{seen: p.last, counts: p.last, knows: lastAction(pong)}
}

// lastAction is the highest action that a worker knows, as it says in its metadata; 0: none.
func lastAction(pong micro.Ping) messages.Action {
	n, err := strconv.ParseUint(pong.Metadata[messages.ActionsKey], 10, 8)
	if err != nil {
		return 0
	}
	return messages.Action(n)
}

// knows returns a worker that took part in the last count and knows the action, or "" if there is
// none.
func (p *pool) knows(action messages.Action) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, m := range p.members { // in random order
		if m.knows >= action && m.present() {
			return id
		}
	}
	return ""
}

// anyOlder tells whether a worker took part in the last count that doesn't know the action.
func (p *pool) anyOlder(action messages.Action) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.knows < action && m.present() {
			return true
		}
	}
	return false
}

// present tells whether the worker took part in the last count.
func (m member) present() bool { return time.Since(m.counts) < 2*(countEvery+countWindow) }

// comingBack tells whether a worker was here so recently that another, or the same one
// restarted, can be expected. Then a request is better held than refused.
func (p *pool) comingBack() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.last.IsZero() && time.Since(p.last) < p.grace
}

// alive returns a worker that gave a sign after since, or "" if none did.
func (p *pool) alive(since time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, m := range p.members { // in random order
		if m.seen.After(since) {
			return id
		}
	}
	return ""
}

// forgetOld keeps the pool from growing with every worker that ever was.
func (p *pool) forgetOld() {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.members, func(_ string, m member) bool { return time.Since(m.seen) > forget })
}

// watch counts the workers now and every second until ctx ends, and reports each count.
func (p *pool) watch(ctx context.Context, report func(workers int)) error {
	inbox := p.nc.NewInbox()
	pongs := make(chan *nats.Msg, maxPongs)
	sub, err := p.nc.ChanSubscribe(inbox, pongs)
	if err != nil {
		return err
	}
	go func() {
		defer func() { _ = sub.Unsubscribe() }()
		tick := time.NewTicker(countEvery)
		defer tick.Stop()
		for {
			if n := p.count(ctx, inbox, pongs); n > 0 {
				report(n)
			}
			p.forgetOld()
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

// count asks all workers to answer and counts who does.
func (p *pool) count(ctx context.Context, inbox string, pongs <-chan *nats.Msg) int {
	if err := p.nc.PublishRequest(pingSubject, inbox, nil); err != nil {
		return 0 // not connected
	}
	ids := make(map[string]bool)
	window := time.NewTimer(countWindow)
	defer window.Stop()
	for {
		select {
		case m := <-pongs:
			var pong micro.Ping
			// else "no responders"
			if err := json.Unmarshal(m.Data, &pong); err == nil && pong.ID != "" {
				ids[pong.ID] = true
				p.counted(pong)
			}
		case <-window.C:
			return len(ids)
		case <-ctx.Done():
			return 0
		}
	}
}

// Ready returns nil if NATS is connected and a worker answers that knows all
// actions. While only older ones do, an API that is replacing an older one isn't ready.
func Ready(ctx context.Context, nc *nats.Conn) error {
	if !nc.IsConnected() {
		return errors.New("NATS is not connected")
	}
	if most := nc.MaxPayload(); most < messages.MinPayload {
		return fmt.Errorf("the NATS server's max_payload is %d bytes, and must be at least %d",
			most, messages.MinPayload)
	}
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.PublishRequest(pingSubject, inbox, nil); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	older := false
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil && older {
			return errors.New("the workers are older than the API; upgrade them first")
		} else if err != nil {
			return fmt.Errorf("no worker answers: %w", err)
		}
		var pong micro.Ping
		if err := json.Unmarshal(m.Data, &pong); err != nil {
			// an empty message says so
			return fmt.Errorf("no worker answers: %w", nats.ErrNoResponders)
		}
		if lastAction(pong) >= messages.LastAction {
			return nil
		}
		older = true
	}
}
