package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/internal/metrics/hops"
	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/pkg/messages"
)

// slowAfter is when a batch is slow, and what waits for its lane no longer does. Most take some
// milliseconds.
const slowAfter = 10 * time.Millisecond

// endpoint is one subject of the worker: its subscriptions, its batcher and its figures.
// The figures count operations, not messages.
type endpoint struct {
	worker  *Worker
	name    string
	subject string
	batcher *batcher

	mu     sync.Mutex         // guards the next three
	own    *nats.Subscription // to what is addressed to this worker
	group  *nats.Subscription // in the queue group; nil: it has left that
	ended  bool               // it has unsubscribed for good
	open   atomic.Int32       // subscriptions that may still hand over messages
	closed chan struct{}      // closed when none may

	tasksMu sync.Mutex
	tasks   map[*task]struct{} // taken and not yet answered

	counted   hops.Count   // the same figures, for Prometheus
	requests  atomic.Int64 // answered
	errors    atomic.Int64 // of them, failed by a fault of the service
	time      atomic.Int64 // nanoseconds from arrival to answer, summed up
	latencies pool.LatencyCounter
	inFlight  atomic.Int64 // taken and not yet answered
	lastError atomic.Pointer[string]
}

func (w *Worker) newEndpoint(ctx context.Context, name, subject string,
	run func(context.Context, *flight),
) *endpoint {
	e := &endpoint{
		worker: w, name: name, subject: subject, closed: make(chan struct{}),
		tasks: make(map[*task]struct{}), counted: w.figures.results.Of(name),
	}
	o := w.options()
	o.Lanes, o.Spare, o.DearLanes = lanes, 1, dearLanes
	o.Batch = batch.Size{Count: batchOperations, Bytes: batchBytes, Cost: batchCost}
	if subject == messages.WriteSubject {
		// One transaction at a time can have a user's row.
		o.Key = func(w *work) string { return w.User }
	}
	e.batcher = w.newBatcher(ctx, name, o, run)
	return e
}

// newBatcher returns a batcher with a name, by which its figures are found.
func (w *Worker) newBatcher(ctx context.Context, name string, o options,
	run func(context.Context, *flight),
) *batcher {
	b := batch.New(ctx, o, hops.Observe(w.figures.batches, name, w.traced(name, run),
		w.exemplar()))
	w.figures.batches.Add(name, b.Stats)
	return b
}

// options are those of all batchers: of one lane that takes one operation at a time.
func (w *Worker) options() options {
	return options{
		Lanes:     1,
		Batch:     batch.Size{Count: 1, Bytes: batchBytes},
		Queue:     batch.Size{Count: w.maxQueue, Bytes: queueBytes},
		Of:        size,
		Principal: func(w *work) uint64 { return w.Principal },
		Took:      func(took time.Duration) time.Duration { return took },
		MaxWait:   maxWait,
		SlowAfter: slowAfter,
	}
}

// subscribe joins the queue group, and listens for what is addressed to this worker.
func (e *endpoint) subscribe() (err error) {
	e.mu.Lock()
	e.own, err = e.listen(messages.WorkerSubject(e.subject, e.worker.id))
	e.mu.Unlock()
	if err != nil {
		return err
	}
	return e.join()
}

func (e *endpoint) listen(subject string) (*nats.Subscription, error) {
	s, err := e.worker.nc.QueueSubscribe(subject, messages.QueueGroup, e.receive)
	if err != nil {
		return nil, err
	}
	e.open.Add(1)
	s.SetClosedHandler(func(string) {
		if e.open.Add(-1) == 0 {
			close(e.closed)
		}
	})
	return s, nil
}

// join joins the queue group, unless the endpoint is in it or has unsubscribed for good.
func (e *endpoint) join() (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.group == nil && !e.ended {
		e.group, err = e.listen(e.subject)
	}
	return err
}

// leave leaves the queue group. Messages that have come are still received, and so is what is
// addressed to this worker.
func (e *endpoint) leave() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.group == nil || e.ended {
		return nil
	}
	left := e.group
	e.group = nil
	if !e.worker.nc.IsConnected() {
		// Drain would keep it until the server is back, which then goes on sending it messages that
		// nobody receives (nats.go subscribes again while it drains).
		return left.Unsubscribe()
	}
	return left.Drain()
}

// unsubscribe stops new messages. Those that have come are still received, until e.closed is.
func (e *endpoint) unsubscribe() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	err := e.own.Drain()
	if e.group != nil {
		err = errors.Join(err, e.group.Drain())
	}
	return err
}

// receive takes one message. NATS calls it for one message of a subscription after the other, so
// it only decodes and checks, and leaves the rest to the batchers.
func (e *endpoint) receive(m *nats.Msg) {
	if err := messages.CheckReplyTo(m.Reply); err != nil {
		e.worker.unsent.Do(func() {
			e.worker.log.Warn("request dropped", "endpoint", e.name, "error", err)
		})
		return
	}
	request, err := messages.DecodeRequest(m.Data)
	if err != nil {
		e.refuse(m, request.Proof(), messages.KindMalformed, messages.Detail(err.Error()))
		return
	}
	t := newTask(e, m, &request)
	e.inFlight.Add(int64(len(t.works)))
	e.remember(t)
	var most, tokens, schemas []*work // where they go first
	for i := range t.works {
		switch w := &t.works[i]; {
		case e.settled(w):
			t.settle(w)
		case changesTokens(w.Operation):
			tokens = append(tokens, w)
		case w.Action == messages.ActionPutSchema || w.Action == messages.ActionTrySchema:
			schemas = append(schemas, w)
		default:
			most = append(most, w)
		}
	}
	e.batcher.Go(most, finish)
	e.worker.tokens.Go(tokens, finish)
	e.worker.schemas.Go(schemas, e.goOn)
	t.answer() // what was refused
}

// settled checks a work, and does what needs nothing else. It returns true if the work has its
// result by then.
func (e *endpoint) settled(w *work) bool {
	if w.result.Kind, w.result.Detail = e.check(w.Operation); w.result.Kind != "" {
		return true
	}
	switch {
	case w.Expired(e.worker.store.Clock().Now()):
		w.result = messages.Result{
			Kind:   messages.KindExpired,
			Detail: "the deadline had passed when the worker got it",
		}
		return true
	case w.Action == messages.ActionLimits:
		w.result.Document = e.worker.limitsJSON
		return true
	}
	return false
}

// check is [messages.Operation.Check] of a worker that may know fewer actions, see
// [Config.LastAction].
func (e *endpoint) check(o *messages.Operation) (messages.Kind, string) {
	if o.Action > e.worker.config.lastAction() {
		return messages.KindUnknownAction, messages.UnknownAction(o.Action)
	}
	return o.Check(e.subject)
}
