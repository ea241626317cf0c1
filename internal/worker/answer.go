package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/failpoint"
	"github.com/outset-settings/outset/pkg/messages"
)

// answer sends the reply, with as many results as one message can hold.
func (e *endpoint) answer(t *task) {
	n := int64(len(t.operations))
	e.count(n, t.results)
	e.time.Add(int64(time.Since(t.arrived)) * n)
	e.inFlight.Add(-n)
	for i := range t.results {
		e.logResult(t, i)
	}
	messages.Fit(t.results, messages.Capacity(e.worker.nc.MaxPayload()))
	if len(t.writes) > 0 && failpoint.Hit("worker/reply-lost") {
		e.worker.log.Warn("reply to a write lost on purpose", "operations", n)
		return
	}
	e.respond(t.message, messages.Reply{Results: t.results})
}

// refuse answers a request of n operations as a whole.
func (e *endpoint) refuse(m *nats.Msg, n int, kind messages.Kind, detail string) {
	e.count(int64(n), []messages.Result{{Kind: kind, Detail: detail}})
	e.worker.log.Debug("refused", "endpoint", e.name, "operations", n, "kind", kind,
		"detail", detail)
	e.respond(m, messages.Reply{Kind: kind, Detail: detail})
}

func (e *endpoint) respond(m *nats.Msg, r messages.Reply) {
	r.Worker = e.worker.id
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

// count adds n operations to the figures. Their results are one for each, or one for all.
func (e *endpoint) count(n int64, results []messages.Result) {
	e.requests.Add(n)
	for i := range results {
		if r := &results[i]; r.Kind.ServiceFault() {
			last := string(r.Kind)
			if r.Detail != "" {
				last += ": " + r.Detail
			}
			e.lastError.Store(&last)
			e.errors.Add(n / int64(len(results)))
		}
	}
}

func (e *endpoint) logResult(t *task, i int) {
	if log := e.worker.log; log.Enabled(context.Background(), slog.LevelDebug) {
		o, r := &t.operations[i], &t.results[i]
		log.Debug("answered", "endpoint", e.name, "request_id", o.RequestID, "action", o.Action,
			"kind", r.Kind, "version", r.Version, "replayed", r.Replayed,
			"took", time.Since(t.arrived))
	}
}
