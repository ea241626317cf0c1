package top

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/pool"
)

// Asker asks the workers.
type Asker struct {
	// Dial makes a connection that doesn't reconnect: when it is lost it is made anew, with keys
	// and certificates that are read anew. `outset up` makes new ones each time that it starts.
	Dial func() (*nats.Conn, error)

	nc *nats.Conn
}

// Connect makes the connection if there is none.
func (a *Asker) Connect() (err error) {
	if a.nc != nil && a.nc.IsConnected() {
		return nil
	}
	a.Close()
	a.nc, err = a.Dial()
	return err
}

// Close closes the connection.
func (a *Asker) Close() {
	if a.nc != nil {
		a.nc.Close()
	}
	a.nc = nil
}

// ask asks all workers, and returns those that answer in time, or the first of them if so many are
// enough.
func (a *Asker) ask(ctx context.Context, within time.Duration, enough int) ([]pool.Worker, error) {
	if err := a.Connect(); err != nil {
		return nil, err
	}
	return pool.Ask(ctx, a.nc, within, enough)
}

// Once asks the workers twice, an interval apart, and returns what they did in between. Those that
// are slow to answer the second time are waited for as long again, and are gone if that was in
// vain.
func (a *Asker) Once(ctx context.Context, interval time.Duration) (Sample, error) {
	var m members
	first, err := a.ask(ctx, interval, 0)
	if err != nil || len(first) == 0 {
		return m.sample(time.Now()), err
	}
	m.take(first, time.Now())
	second, err := a.ask(ctx, interval, len(first))
	if err == nil && !m.areIn(second) { // others were faster, or have come
		second, err = a.ask(ctx, interval, 0)
	}
	m.take(second, time.Now())
	return m.sample(time.Now()), err
}
