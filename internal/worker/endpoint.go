package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/batch"
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
	batcher *batch.Batcher[*task, struct{}]

	mu     sync.Mutex         // guards the next three
	own    *nats.Subscription // to what is addressed to this worker
	group  *nats.Subscription // in the queue group; nil: it has left that
	ended  bool               // it has unsubscribed for good
	open   atomic.Int32       // subscriptions that may still hand over messages
	closed chan struct{}      // closed when none may

	requests  atomic.Int64 // answered
	errors    atomic.Int64 // of them, failed by a fault of the service
	time      atomic.Int64 // nanoseconds from arrival to answer, summed up
	inFlight  atomic.Int64 // taken and not yet answered
	lastError atomic.Pointer[string]
}

func (w *Worker) newEndpoint(ctx context.Context, name, subject string,
	run func(context.Context, []*task) []struct{},
) *endpoint {
	e := &endpoint{worker: w, name: name, subject: subject, closed: make(chan struct{})}
	e.batcher = batch.New(ctx, batch.Options[*task]{
		Lanes: lanes,
		Batch: batch.Size{Count: batchOperations, Bytes: queueBytes},
		Queue: batch.Size{Count: w.maxQueue, Bytes: queueBytes},
		Of:    (*task).size,

		SlowAfter: slowAfter,
	}, run)
	return e
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
// it only decodes and checks, and leaves the rest to the batcher.
func (e *endpoint) receive(m *nats.Msg) {
	if err := messages.CheckReplyTo(m.Reply); err != nil {
		e.worker.unsent.Do(func() {
			e.worker.log.Warn("request dropped", "endpoint", e.name, "error", err)
		})
		return
	}
	request, err := messages.DecodeRequest(m.Data)
	if err != nil {
		e.refuse(m, 1, messages.KindMalformed, messages.Detail(err.Error()))
		return
	}
	t := e.newTask(m, request.Operations)
	e.inFlight.Add(int64(len(t.operations)))
	if len(t.open)+len(t.tokens) == 0 {
		e.answer(t)
		return
	}
	if err = e.start(t); err != nil {
		e.inFlight.Add(-int64(len(t.operations)))
		e.refuse(m, len(t.operations), messages.KindOverloaded, refusal(err))
	}
}

// start queues a task. What it asks about tokens comes after the rest, where others don't wait for
// it.
func (e *endpoint) start(t *task) error {
	if len(t.open) == 0 {
		return e.startTokens(t)
	}
	return e.batcher.Go(t, func(_ struct{}, err error) {
		if err != nil { // Close gave up on it; it has not run
			t.settle(t.open, stopping)
			t.settle(t.tokens, stopping)
			e.answer(t)
		} else {
			e.done(t)
		}
	})
}

// done answers a task, or goes on with what it asks about tokens, when all else has its results.
func (e *endpoint) done(t *task) {
	if t.answered {
		return
	}
	t.answered = true
	if len(t.tokens) > 0 {
		err := e.startTokens(t)
		if err == nil {
			return
		}
		t.settle(t.tokens, messages.Result{
			Kind: messages.KindUnavailable, Detail: refusal(err),
		})
	}
	e.answer(t)
}

// startTokens queues what a task asks about tokens.
func (e *endpoint) startTokens(t *task) error {
	return e.worker.tokens.Go(t, func(_ struct{}, err error) {
		if err != nil {
			t.settle(t.tokens, stopping)
		}
		e.answer(t)
	})
}

// stopping is the result of what the worker has taken and has no time to do.
var stopping = messages.Result{
	Kind: messages.KindUnavailable, Detail: "the worker is stopping",
}

// refusal says why the batcher did not take a request.
func refusal(err error) string {
	if errors.Is(err, batch.ErrClosed) {
		return "the worker is stopping"
	}
	return "the worker's queue is full"
}
