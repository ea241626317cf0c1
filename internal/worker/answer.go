package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/internal/failpoint"
	"github.com/outset-settings/outset/pkg/messages"
)

// answer sends the results of these works, of whatever tasks they are, and with them all others
// that their tasks have by now.
func answer(works []*work) {
	for i, w := range works {
		if i == 0 || w.task != works[i-1].task {
			w.task.answer()
		}
	}
}

// answer sends the results that have come, in as many replies as it takes.
func (t *task) answer() {
	ready, more := t.takeReady()
	if len(ready) == 0 {
		return
	}
	e := t.endpoint
	if !more {
		e.forget(t)
	}
	results := make([]messages.Result, len(ready))
	for n, i := range ready {
		results[n] = t.works[i].result
		e.count(&results[n])
		t.logResult(i)
	}
	took := time.Since(t.arrived)
	e.time.Add(int64(took) * int64(len(ready)))
	e.latencies.Add(took, len(ready))
	e.inFlight.Add(-int64(len(ready)))
	if e == e.worker.writes && failpoint.Hit("worker/reply-lost") {
		e.worker.log.Warn("reply to a write lost on purpose", "operations", len(ready))
		return
	}
	all := len(ready) == len(t.works)
	for len(results) > 0 {
		n := messages.Fitting(results, messages.Capacity(e.worker.nc.MaxPayload()))
		r := messages.Reply{Results: results[:n], Of: ready[:n]}
		if all && n == len(t.works) {
			r = inOrder(r)
		}
		e.respond(t.message, t.proof, r)
		results, ready = results[n:], ready[n:]
	}
}

// inOrder leaves out of a reply to a whole request what its results are of.
func inOrder(r messages.Reply) messages.Reply {
	ordered := make([]messages.Result, len(r.Results))
	for n, i := range r.Of {
		ordered[i] = r.Results[n]
	}
	return messages.Reply{Results: ordered}
}

// refuse answers a request as a whole.
func (e *endpoint) refuse(m *nats.Msg, proof []byte, kind messages.Kind, detail string) {
	e.count(&messages.Result{Kind: kind, Detail: detail})
	e.worker.log.Debug("refused", "endpoint", e.name, "kind", kind, "detail", detail)
	e.respond(m, proof, messages.Reply{Kind: kind, Detail: detail})
}

func (e *endpoint) respond(m *nats.Msg, proof []byte, r messages.Reply) {
	r.Worker, r.Proof = e.worker.id, proof
	data, err := messages.EncodeReply(r)
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil { // the sender will retry
		e.worker.unsent.Do(func() {
			e.worker.log.Warn("reply not sent", "endpoint", e.name, "error", err)
		})
	}
}

// refused is the result of what a batcher did not take, or gave up: it has not run.
func refused(err error) messages.Result {
	if errors.Is(err, batch.ErrFull) {
		return messages.Result{
			Kind: messages.KindOverloaded, Detail: "the worker's queue is full",
		}
	}
	return messages.Result{Kind: messages.KindUnavailable, Detail: "the worker is stopping"}
}

// count adds an operation to the figures.
func (e *endpoint) count(r *messages.Result) {
	e.requests.Add(1)
	e.counted(r.Kind, r.Replayed)
	if r.Kind.ServiceFault() {
		last := string(r.Kind)
		if r.Detail != "" {
			last += ": " + r.Detail
		}
		e.lastError.Store(&last)
		e.errors.Add(1)
	}
}

func (t *task) logResult(i int) {
	e := t.endpoint
	if e.worker.log.Enabled(context.Background(), slog.LevelDebug) {
		w := &t.works[i]
		e.worker.logOf(w.Operation).Debug("answered", "endpoint", e.name, "action", w.Action,
			"kind", w.result.Kind, "version", w.result.Version, "replayed", w.result.Replayed,
			"took", time.Since(t.arrived))
	}
}
