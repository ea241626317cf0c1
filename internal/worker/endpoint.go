package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// slowAfter is when a batch is slow, and what waits for its lane no longer does. Most take some
// milliseconds.
const slowAfter = 10 * time.Millisecond

// endpoint is one subject of the worker: its subscription, its batcher and its figures.
// The figures count operations, not messages.
type endpoint struct {
	worker  *Worker
	name    string
	subject string
	batcher *batch.Batcher[*task, struct{}]
	subs    []*nats.Subscription
	heard   atomic.Int32  // subscriptions that may still hand over messages
	left    chan struct{} // closed when none may

	requests  atomic.Int64 // answered
	errors    atomic.Int64 // of them, not done for a reason that is ours
	time      atomic.Int64 // nanoseconds from arrival to answer, summed up
	inFlight  atomic.Int64 // taken and not yet answered
	lastError atomic.Pointer[string]
}

// task is one request on its way through the worker.
type task struct {
	message    *nats.Msg
	arrived    time.Time
	operations []messages.Operation
	results    []messages.Result

	// What is left for the store: open[i] is the place in operations and results
	// of the i-th.
	open   []int
	writes []store.Write // for writes, in the order of open

	schemas map[int]*schema.Schema // on trial, by place
}

func (t *task) size() batch.Size {
	return batch.Size{Count: len(t.open), Bytes: len(t.message.Data)}
}

func (w *Worker) newEndpoint(ctx context.Context, name, subject string, lanes int,
	run func(context.Context, []*task) []struct{},
) *endpoint {
	e := &endpoint{worker: w, name: name, subject: subject, left: make(chan struct{})}
	e.batcher = batch.New(ctx, batch.Options[*task]{
		Lanes: lanes,
		Batch: batch.Size{Count: w.config.BatchSize, Bytes: w.config.QueueBytes},
		Queue: batch.Size{Count: w.config.QueueSize, Bytes: w.config.QueueBytes},
		Of:    (*task).size,

		SlowAfter: slowAfter,
	}, run)
	return e
}

// subscribe joins the queue group, and listens for what is addressed to this worker.
func (e *endpoint) subscribe() error {
	for _, subject := range []string{e.subject, messages.WorkerSubject(e.subject, e.worker.id)} {
		sub, err := e.worker.nc.QueueSubscribe(subject, messages.QueueGroup, e.receive)
		if err != nil {
			return err
		}
		e.subs = append(e.subs, sub)
		e.heard.Add(1)
		sub.SetClosedHandler(func(string) {
			if e.heard.Add(-1) == 0 {
				close(e.left)
			}
		})
	}
	return nil
}

// leave stops new messages; those that have come are still received.
func (e *endpoint) leave() error {
	var err error
	for _, sub := range e.subs {
		err = errors.Join(err, sub.Drain())
	}
	return err
}

// receive takes one message. NATS calls it for one message of a subscription after the other, so
// it does what is short and leaves the rest to the batcher.
func (e *endpoint) receive(m *nats.Msg) {
	request, err := messages.DecodeRequest(m.Data)
	if err != nil {
		e.refuse(m, 1, messages.KindMalformed, messages.Detail(err.Error()))
		return
	}
	t := &task{
		message: m, arrived: time.Now(),
		operations: request.Operations,
		results:    make([]messages.Result, len(request.Operations)),
	}
	for i := range t.operations {
		if !e.prepare(t, i) {
			t.open = append(t.open, i)
		}
	}
	e.inFlight.Add(int64(len(t.operations)))
	if len(t.open) == 0 {
		e.answer(t)
		return
	}
	err = e.batcher.Go(t, func(_ struct{}, err error) {
		if err != nil { // Close gave up on it; it has not run
			e.settle(t, messages.Result{
				Kind: messages.KindUnavailable, Detail: "the worker is stopping",
			})
		}
		e.answer(t)
	})
	if err != nil {
		e.inFlight.Add(-int64(len(t.operations)))
		e.refuse(m, len(t.operations), messages.KindOverloaded, refusal(err))
	}
}

// prepare judges the operation at i as far as the store isn't needed, and tells whether that
// is all: its result is there.
func (e *endpoint) prepare(t *task, i int) (settled bool) {
	o, r := &t.operations[i], &t.results[i]
	if r.Kind, r.Detail = o.Check(e.subject); r.Kind != "" {
		return true
	}
	switch {
	case o.Expired(t.arrived):
		r.Kind, r.Detail = messages.KindExpired, "the deadline had passed when the worker got it"
		return true
	case o.Action == messages.ActionLimits:
		r.Document = e.worker.described
		return true
	case o.Action == messages.ActionTrySchema:
		return e.prepareTrial(t, i)
	case !o.Action.Writes():
		return false
	}
	w, err := e.worker.writeOf(o)
	if err != nil && o.Keyed {
		// Perhaps it was applied when the limits were others: then it gets its first answer.
		w.Wrong, err = err, nil
	}
	if err != nil {
		*r = e.worker.failure(o, err)
		return true
	}
	t.writes = append(t.writes, w)
	return false
}

// prepareTrial compiles a schema on trial.
func (e *endpoint) prepareTrial(t *task, i int) (settled bool) {
	compiled, err := e.worker.trialOf(t.operations[i].Document)
	if err != nil {
		t.results[i] = e.worker.failure(&t.operations[i], err)
		return true
	}
	if t.schemas == nil {
		t.schemas = make(map[int]*schema.Schema)
	}
	t.schemas[i] = compiled
	return false
}
