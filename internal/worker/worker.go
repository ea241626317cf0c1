// Package worker is what stands between the queue and the store: it takes
// requests from NATS, puts their operations together in batches, hands
// those to the store and answers. It keeps no state: any number of workers share the
// work, and each may come and go at any time.
//
// The way of a request: receive (decode, check, queue) → read or write (a batch
// of requests, one trip to the store) → answer.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// Store is what a worker needs of the store.
type Store interface {
	Read(ctx context.Context, users []string) ([]store.Document, error)
	Write(ctx context.Context, writes []store.Write) []store.Written
	Ping(ctx context.Context) error
}

// Config has the limits of a worker.
type Config struct {
	ReadLanes  int `env:"READ_LANES" default:"2" placeholder:"N" help:"batches of reads under way at once; each has a database connection"`
	WriteLanes int `env:"WRITE_LANES" default:"2" placeholder:"N" help:"batches of writes under way at once; each has a database connection"`
	BatchSize  int `env:"BATCH_SIZE" default:"512" placeholder:"N" help:"operations in one batch to the database"`
	QueueSize  int `env:"QUEUE_SIZE" default:"4096" placeholder:"N" help:"operations that wait for a batch, reads and writes each; past it the worker answers \"overloaded\""`
	QueueBytes int `env:"QUEUE_BYTES" default:"33554432" placeholder:"BYTES" help:"bytes of the operations that wait, reads and writes each"`

	DrainTimeout time.Duration `env:"DRAIN_TIMEOUT" default:"20s" placeholder:"DURATION" help:"how long a stopping worker may take to answer what it has taken"`
}

// Validate tells which limit makes no sense.
func (c Config) Validate() error {
	const mostLanes = 1000 // far more than a Postgres has connections for
	if c.ReadLanes > mostLanes || c.WriteLanes > mostLanes {
		return fmt.Errorf("READ_LANES and WRITE_LANES must be at most %d", mostLanes)
	}
	for name, n := range map[string]int{
		"READ_LANES": c.ReadLanes, "WRITE_LANES": c.WriteLanes,
		"BATCH_SIZE": c.BatchSize, "QUEUE_SIZE": c.QueueSize, "QUEUE_BYTES": c.QueueBytes,
	} {
		if n < 1 || n > math.MaxInt32 {
			return fmt.Errorf("%s must be at least 1 and at most %d, not %d", name, math.MaxInt32, n)
		}
	}
	if c.DrainTimeout <= 0 {
		return fmt.Errorf("DRAIN_TIMEOUT must be positive, not %v", c.DrainTimeout)
	}
	return nil
}

// Connections is how many database connections the worker uses: one for each
// lane and one that tells whether the database is there.
func (c Config) Connections() int32 {
	return int32(c.ReadLanes + c.WriteLanes + 1) //nolint:gosec // Validate bounds them
}

// storeTimeout bounds one batch in the store. It is the worker's own, never one asker's:
// pgx closes a connection whose context ends, and a batch has many askers.
const storeTimeout = 4 * time.Second

// flushTimeout bounds the wait for the NATS server to know what the worker subscribes to.
const flushTimeout = 2 * time.Second

// Worker takes requests from the queue group and answers them.
type Worker struct {
	id      string
	version string
	host    string
	started time.Time
	config  Config
	nc      *nats.Conn
	store   Store
	log     *slog.Logger

	reads  *endpoint
	writes *endpoint
	state  atomic.Pointer[string] // why it isn't ready; nil: it is
	// An outage fails thousands of operations a second, and each would say the same.
	sometimes rate.Sometimes
}

// New returns a worker that will answer on nc from what is in the store. Its
// methods may be called once Run has been.
func New(nc *nats.Conn, s Store, config Config, version string, log *slog.Logger) (*Worker, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	w := &Worker{
		id: nuid.Next(), version: version, started: time.Now().UTC(),
		config: config, nc: nc, store: s,
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
		return fmt.Errorf("the NATS server's max_payload is %d bytes, and must be at least %d", most, messages.MinPayload)
	}
	if err := w.store.Ping(ctx); err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	return nil
}

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
		w.log.Info("worker ready", "read_lanes", w.config.ReadLanes, "write_lanes", w.config.WriteLanes)
	}

	<-ctx.Done()
	w.notReady("stopping")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.config.DrainTimeout)
	defer cancel()
	err = w.drain(ctx, discovery)
	w.log.Info("worker stopped", "read", w.reads.requests.Load(), "written", w.writes.requests.Load())
	return err
}

// drain leaves the queue group and waits for every answer. The order matters: only
// when a subscription is closed has its last message come, and only when the
// batcher is closed has the last message been answered. Without a connection no
// message can come any more and no reply can leave: then only the store is waited for.
func (w *Worker) drain(ctx context.Context, discovery []*nats.Subscription) error {
	connected, stop := whileConnected(ctx, w.nc)
	defer stop()
	var err error
	for _, e := range w.endpoints() {
		if connected.Err() == nil {
			err = errors.Join(err, e.leave())
		}
	}
	for _, e := range w.endpoints() {
		select {
		case <-e.left:
		case <-connected.Done():
		}
		err = errors.Join(err, e.batcher.Close(ctx))
	}
	for _, s := range discovery {
		err = errors.Join(err, s.Unsubscribe())
	}
	err = errors.Join(err, w.nc.FlushWithContext(connected)) // the last replies
	if ctx.Err() == nil && (connected.Err() != nil || errors.Is(err, nats.ErrConnectionClosed)) {
		w.log.Warn("stopped without a connection to NATS", "error", err)
		return nil
	}
	return err
}

// whileConnected returns a context that ends with ctx or when the connection is lost.
func whileConnected(ctx context.Context, nc *nats.Conn) (context.Context, context.CancelFunc) {
	connected, cancel := context.WithCancel(ctx)
	changes := nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	if !nc.IsConnected() {
		cancel()
	}
	go func() {
		defer nc.RemoveStatusListener(changes)
		select {
		case <-changes:
			cancel()
		case <-connected.Done():
		}
	}()
	return connected, cancel
}

func (w *Worker) endpoints() []*endpoint { return []*endpoint{w.reads, w.writes} }

func (w *Worker) newEndpoint(ctx context.Context, name, subject string, lanes int, run func(context.Context, []*task) []struct{}) *endpoint {
	e := &endpoint{worker: w, name: name, subject: subject, left: make(chan struct{})}
	e.batcher = batch.New(ctx, batch.Options[*task]{
		Lanes: lanes,
		Batch: batch.Size{Count: w.config.BatchSize, Bytes: w.config.QueueBytes},
		Queue: batch.Size{Count: w.config.QueueSize, Bytes: w.config.QueueBytes},
		Of:    (*task).size,
	}, run)
	return e
}
