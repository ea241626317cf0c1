// Package worker is what stands between the queue and the store: it takes
// requests from NATS, puts their operations together in batches, hands
// those to the store and answers. It keeps no state: any number of workers share the
// work, and each may come and go at any time.
//
// The way of a request: receive (decode, check, queue) → read or write (a batch of requests, one
// trip to the store) → answer. On it an operation of the contract becomes one of the store
// (operation.go) and what the store says becomes a result (result.go).
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// Store is what a worker needs of the store.
type Store interface {
	Read(ctx context.Context, reads []store.Read) ([]store.Found, error)
	Write(ctx context.Context, writes []store.Write) []store.Written
	Ping(ctx context.Context) error
	// Prune takes one step, and says when the next is due.
	Prune(ctx context.Context, keep store.Retention) (removed int64, next time.Duration, err error)
}

// Worker takes requests from the queue group and answers them.
type Worker struct {
	id        string
	version   string
	host      string
	started   time.Time
	config    Config
	limits    settings.Limits
	described []byte // the limits, for those who ask
	nc        *nats.Conn
	changes   *nats.Conn
	untold    chan changes
	tried     atomic.Pointer[trial] // last
	store     Store
	log       *slog.Logger

	reads  *endpoint
	writes *endpoint
	state  atomic.Pointer[string] // why it isn't ready; nil: it is
	// An outage fails thousands of operations a second, and each would say the same.
	sometimes rate.Sometimes
}

// New returns a worker that will answer on nc from what is in the store, and tell on the other
// connection, which has a [ChangesBuffer], what it has changed. Its methods may be called once Run
// has been.
func New(nc, told *nats.Conn, s Store, config Config, version string, log *slog.Logger) (*Worker,
	error,
) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	described, err := config.described()
	if err != nil {
		return nil, err
	}
	w := &Worker{
		id: nuid.Next(), version: version, started: time.Now().UTC(),
		config: config, limits: config.limits(), described: described, nc: nc, changes: told,
		untold: make(chan changes, maxUntold), store: s,
		sometimes: rate.Sometimes{First: 100, Interval: 100 * time.Millisecond},
	}
	w.host, _ = os.Hostname() // for people only
	w.log = log.With("worker", w.id)
	w.notReady("starting")
	return w, nil
}

// ID names this worker among all others, in its replies and in the service discovery.
func (w *Worker) ID() string { return w.id }

func (w *Worker) notReady(why string) { w.state.Store(&why) }

// Ready returns nil if the worker is subscribed and both NATS and the database answer.
func (w *Worker) Ready(ctx context.Context) error {
	if why := w.state.Load(); why != nil {
		return errors.New(*why)
	}
	if !w.nc.IsConnected() {
		return errors.New("NATS is not connected")
	}
	if most := w.nc.MaxPayload(); most < messages.MinPayload {
		return fmt.Errorf("the NATS server's max_payload is %d bytes, and must be at least %d",
			most, messages.MinPayload)
	}
	if err := w.store.Ping(ctx); err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	return nil
}

// flushTimeout bounds the wait for the NATS server to know what the worker subscribes to.
const flushTimeout = 2 * time.Second

// Run answers requests until ctx ends. Then it leaves the queue group, answers
// all that it has taken, and returns.
func (w *Worker) Run(ctx context.Context) error {
	w.reads = w.newEndpoint(ctx, "read", messages.ReadSubject, w.config.ReadLanes, w.read)
	w.writes = w.newEndpoint(ctx, "write", messages.WriteSubject, w.config.WriteLanes, w.write)
	// Service discovery first and last: who is asked for work can be found.
	discovery, err := w.answerDiscovery()
	if err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	for _, e := range w.endpoints() {
		if err := e.subscribe(); err != nil {
			return fmt.Errorf("subscribing: %w", err)
		}
	}
	// Ready is who the server sends requests to. Not connected yet: then the
	// subscriptions are the first that it hears.
	flushing, flushed := context.WithTimeout(ctx, flushTimeout)
	err = w.nc.FlushWithContext(flushing)
	flushed()
	if err != nil && w.nc.IsConnected() && ctx.Err() == nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	w.state.Store(nil)
	if err := w.Ready(ctx); err != nil {
		w.log.Warn("worker started, but not ready", "reason", err)
	} else {
		w.log.Info("worker ready", "read_lanes", w.config.ReadLanes, "write_lanes",
			w.config.WriteLanes)
	}
	pruned := w.startPruning(ctx)
	stopTelling := w.startTelling()

	<-ctx.Done()
	w.notReady("stopping")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.config.DrainTimeout)
	defer cancel()
	err = w.drain(ctx, discovery)
	stopTelling(ctx) // nothing is written any more
	select {
	case <-pruned: // long since: it stopped when the drain began
	case <-ctx.Done():
	}
	w.log.Info("worker stopped", "read", w.reads.requests.Load(), "written",
		w.writes.requests.Load())
	return err
}

func (w *Worker) endpoints() []*endpoint { return []*endpoint{w.reads, w.writes} }
