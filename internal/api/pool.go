package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
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
	maxPongs    = 1024 // answers that may wait to be read; NATS drops what exceeds it
)

// pingSubject is where every worker answers (NATS micro protocol, ADR-32).
const pingSubject = "$SRV.PING." + messages.ServiceName

// pool is what the API knows about the workers: how many there are, and when one
// last gave a sign of life.
type pool struct {
	nc    *nats.Conn
	grace time.Duration
	seen  atomic.Int64 // Unix nanoseconds; 0: never
}

// sign notes that a worker has just answered.
func (p *pool) sign() { p.seen.Store(time.Now().UnixNano()) }

// comingBack tells whether a worker was here so recently that another, or the same one
// restarted, can be expected. Then a request is better held than refused.
func (p *pool) comingBack() bool {
	return time.Since(time.Unix(0, p.seen.Load())) < p.grace
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
			if err := json.Unmarshal(m.Data, &pong); err == nil && pong.ID != "" { // else "no responders"
				ids[pong.ID] = true
				p.sign()
			}
		case <-window.C:
			return len(ids)
		case <-ctx.Done():
			return 0
		}
	}
}

// findWorker returns nil if NATS is connected and some worker answers.
func findWorker(ctx context.Context, nc *nats.Conn) error {
	if !nc.IsConnected() {
		return errors.New("NATS is not connected")
	}
	if most := nc.MaxPayload(); most < messages.MinPayload {
		return fmt.Errorf("the NATS server's max_payload is %d bytes, and must be at least %d", most, messages.MinPayload)
	}
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	if _, err := nc.RequestWithContext(ctx, pingSubject, nil); err != nil {
		return fmt.Errorf("no worker answers: %w", err)
	}
	return nil
}
