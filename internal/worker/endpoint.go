package worker

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

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
}

func (t *task) size() batch.Size {
	return batch.Size{Count: len(t.open), Bytes: len(t.message.Data)}
}

// subscribe joins the queue group, and listens for what is addressed to this worker.
func (e *endpoint) subscribe() error {
	for _, subject := range []string{e.subject, messages.Named(e.subject, e.worker.id)} {
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
		if kind, detail := e.prepare(t, i); kind != "" {
			t.results[i] = messages.Result{Kind: kind, Detail: detail}
		} else {
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
			e.settle(t, messages.Result{Kind: messages.KindUnavailable, Detail: "the worker is stopping"})
		}
		e.answer(t)
	})
	if err != nil {
		e.inFlight.Add(-int64(len(t.operations)))
		e.refuse(m, len(t.operations), messages.KindOverloaded, refusal(err))
	}
}

// dropExpired settles the reads that nobody waits for any more. Writes have their
// deadlines judged by the database, after the log was asked.
func (t *task) dropExpired() {
	now := time.Now()
	open := t.open[:0]
	for _, i := range t.open {
		if t.operations[i].Expired(now) {
			t.results[i] = messages.Result{Kind: messages.KindExpired, Detail: "the deadline passed in the worker's queue"}
		} else {
			open = append(open, i)
		}
	}
	t.open = open
}

// settle gives the same result to every operation that is still open.
func (e *endpoint) settle(t *task, r messages.Result) {
	for _, i := range t.open {
		t.results[i] = r
	}
}

func refusal(err error) string {
	if errors.Is(err, batch.ErrClosed) {
		return "the worker is stopping"
	}
	return "the worker's queue is full"
}

// prepare judges the operation at i as far as the store isn't needed.
func (e *endpoint) prepare(t *task, i int) (messages.Kind, string) {
	o := &t.operations[i]
	if kind, detail := o.Check(e.subject); kind != "" {
		return kind, detail
	}
	if o.Expired(t.arrived) {
		return messages.KindExpired, "the deadline had passed when the worker got it"
	}
	if o.Action == messages.ActionRead {
		return "", ""
	}
	w, err := writeOf(o)
	if err != nil {
		return kindOf(err), messages.Detail(err.Error())
	}
	t.writes = append(t.writes, w)
	return "", ""
}

// answer sends the reply, with as many results as one message can hold.
func (e *endpoint) answer(t *task) {
	n := int64(len(t.operations))
	e.count(n, t.results)
	e.time.Add(int64(time.Since(t.arrived)) * n)
	e.inFlight.Add(-n)
	for i := range t.results {
		e.logResult(t, i)
	}
	messages.Fit(t.results, messages.Room(e.worker.nc.MaxPayload()))
	e.respond(t.message, messages.Reply{Results: t.results})
}

// refuse answers a request of n operations as a whole.
func (e *endpoint) refuse(m *nats.Msg, n int, kind messages.Kind, detail string) {
	e.count(int64(n), []messages.Result{{Kind: kind, Detail: detail}})
	e.worker.log.Debug("refused", "endpoint", e.name, "operations", n, "kind", kind, "detail", detail)
	e.respond(m, messages.Reply{Kind: kind, Detail: detail})
}

func (e *endpoint) respond(m *nats.Msg, r messages.Reply) {
	r.Worker = e.worker.id
	data, err := messages.EncodeReply(r)
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil { // the asker will ask again
		e.worker.log.Warn("reply not sent", "endpoint", e.name, "error", err)
	}
}
