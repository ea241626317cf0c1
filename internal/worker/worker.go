// Package worker takes requests from NATS, puts their operations together in batches, hands
// those to the store and answers. It keeps no state: any number of workers share the
// work, and each may come and go at any time.
//
// A request is received and checked (endpoint.go, task.go), its operations are done in batches with
// others, each in one trip to the store (batch.go), and answered (answer.go). An operation of the
// contract becomes one of the store in operation.go, and what the store returns becomes a result in
// result.go.
package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/internal/clock"
	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// Store is what a worker needs of the store.
type Store interface {
	Read(ctx context.Context, reads []store.Read) ([]store.Found, error)
	// WriteInParts calls done after each transaction, with what is final by then.
	WriteInParts(ctx context.Context, writes []store.Write,
		done func(part []int, outcomes []store.Written)) []store.Written
	CreateToken(ctx context.Context, t store.Token, deadline time.Time) (store.Token, error)
	RevokeToken(ctx context.Context, id string, deadline time.Time) error
	UsedTokens(ctx context.Context, uses []store.TokenUse) error
	// ConfigureToken makes a token of the configuration valid, and ends all others of it.
	ConfigureToken(ctx context.Context, prefix string, t *store.Token) error
	Ping(ctx context.Context) error
	// Clock is the database's, as Ping has learnt it.
	Clock() *clock.Clock
	// FollowPrimary leaves a server that doesn't answer for one that has taken over.
	FollowPrimary(ctx context.Context)
	// Prune takes one step, and says when the next is due.
	Prune(ctx context.Context, keep store.Retention) (removed int64, next time.Duration, err error)
}

// Worker takes requests from the queue group and answers them.
type Worker struct {
	id         string
	version    string
	host       string
	started    time.Time // with the monotonic clock
	config     Config
	limits     settings.Limits
	limitsJSON []byte
	nc         *nats.Conn
	store      Store
	log        *slog.Logger

	figures *figures
	reads   *endpoint
	writes  *endpoint
	tokens  *batcher // what changes tokens, beside the writes
	schemas *batcher // schemas that are compiled first

	// Constants, except in tests.
	maxQueue     int // operations that may wait, reads and writes each
	storeTimeout time.Duration
	maxTrial     time.Duration

	changesConn    *nats.Conn
	pendingChanges chan []change // of a part of a batch each
	lastTrial      atomic.Pointer[trial]
	notReadyReason atomic.Pointer[string] // nil: it is ready
	databaseLost   atomic.Pointer[string] // why it can't be reached; nil: it can
	silence        silence                // of the database
	// failures limits the log: an outage fails thousands of operations a second, all with the same
	// error.
	failures rate.Sometimes
	unsent   rate.Sometimes // the same for what could not be answered
	// discovery limits the answers to the service discovery.
	discovery *rate.Limiter
}

// New returns a worker that answers requests on nc, once it runs. On the other connection, which
// has a [ChangesBuffer], it publishes changes and answers the service discovery. The caller closes
// the connections and the store. New fails if the configuration is invalid.
func New(nc, changes *nats.Conn, s Store, config Config, version string, log *slog.Logger,
) (*Worker, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	limits, err := config.limitsJSON()
	if err != nil {
		return nil, err
	}
	w := &Worker{
		id: rand.Text(), version: version, started: time.Now(),
		config: config, limits: config.limits(), limitsJSON: limits, nc: nc, store: s,
		figures:  newFigures(),
		maxQueue: queueOperations, storeTimeout: storeTimeout, maxTrial: maxTrial,
		changesConn: changes, pendingChanges: make(chan []change, maxPendingChanges),
		failures:  rate.Sometimes{First: 100, Interval: 100 * time.Millisecond},
		unsent:    rate.Sometimes{First: 10, Interval: time.Second},
		discovery: rate.NewLimiter(discoveryRate, discoveryBurst),
		silence:   silence{after: time.After},
	}
	w.host, _ = os.Hostname() // for people only
	w.log = log.With("worker", w.id)
	w.setNotReady("starting")
	return w, nil
}

// ID names this worker among all others, in its replies and in the service discovery.
func (w *Worker) ID() string { return w.id }

// stopping is why a worker is not ready that was told to end.
const stopping = "stopping"

func (w *Worker) setNotReady(reason string) { w.notReadyReason.Store(&reason) }

// Ready returns nil if the worker is subscribed and both NATS and the database answer.
func (w *Worker) Ready(ctx context.Context) error {
	if reason := w.notReadyReason.Load(); reason != nil {
		return errors.New(*reason)
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

// flushTimeout bounds the wait for the NATS server to confirm that it has read all that was sent.
const flushTimeout = 2 * time.Second

// Run answers requests until ctx ends. Then it leaves the queue group, answers all that it has
// taken, and returns. Call it once, and before it no other method than ID and Ready.
func (w *Worker) Run(ctx context.Context) error {
	w.reads = w.newEndpoint(ctx, "read", messages.ReadSubject, w.read)
	w.tokens, w.schemas = w.newTokens(ctx), w.newSchemas(ctx)
	w.writes = w.newEndpoint(ctx, "write", messages.WriteSubject, w.write)
	w.learnTime(ctx)
	configured := w.startConfiguring(ctx) // before it is ready, so that the token is valid by then
	discovery, err := w.subscribe(ctx)
	if err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	w.notReadyReason.Store(nil)
	if err := w.Ready(ctx); err != nil {
		w.log.Warn("worker started, but not ready", "reason", err)
	} else {
		w.log.Info("worker ready")
	}
	pruned := w.startPruning(ctx)
	watched := w.startWatchingDatabase(ctx)
	stopTelling := w.startTellingWorking()
	stopPublishing := w.startPublishing()

	<-ctx.Done()
	w.setNotReady(stopping)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.config.DrainTimeout)
	defer cancel()
	err = w.drain(ctx, discovery)
	stopTelling()
	stopPublishing(ctx) // nothing is written any more
	for _, stopped := range []<-chan struct{}{pruned, configured, watched} {
		select {
		case <-stopped: // when the drain began
		case <-ctx.Done():
		}
	}
	w.log.Info("worker stopped", "read", w.reads.requests.Load(),
		"written", w.writes.requests.Load())
	return err
}

// subscribe returns once the NATS server sends requests to the worker. It returns the subscriptions
// of the service discovery, which come first and are left last: whoever gets requests can be
// discovered.
func (w *Worker) subscribe(ctx context.Context) (discovery []*nats.Subscription, err error) {
	if discovery, err = w.answerDiscovery(); err != nil {
		return nil, err
	}
	if err := flush(ctx, w.changesConn); err != nil {
		return nil, err
	}
	for _, e := range w.endpoints() {
		if err := e.subscribe(); err != nil {
			return nil, err
		}
	}
	return discovery, flush(ctx, w.nc)
}

// flush waits until the NATS server knows all subscriptions. Without a connection they are sent
// once it is back.
func flush(ctx context.Context, nc *nats.Conn) error {
	flushCtx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := nc.FlushWithContext(flushCtx); err != nil && nc.IsConnected() && ctx.Err() == nil {
		return err
	}
	return nil
}

func (w *Worker) endpoints() []*endpoint { return []*endpoint{w.reads, w.writes} }
