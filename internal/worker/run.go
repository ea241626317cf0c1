package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// read answers a batch of requests with one query.
func (w *Worker) read(ctx context.Context, tasks []*task) []struct{} {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var users []string
	for _, t := range tasks {
		t.dropExpired()
		for _, i := range t.open {
			users = append(users, t.operations[i].User)
		}
	}
	documents, err := w.store.Read(ctx, users)
	for _, t := range tasks {
		for _, i := range t.open {
			if err != nil {
				t.results[i] = w.failure(&t.operations[i], err)
				continue
			}
			t.results[i] = messages.Result{Version: documents[0].Version, Document: documents[0].Bytes}
			documents = documents[1:]
		}
	}
	return make([]struct{}, len(tasks))
}

// write answers a batch of requests with one transaction.
func (w *Worker) write(ctx context.Context, tasks []*task) []struct{} {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var writes []store.Write
	for _, t := range tasks {
		writes = append(writes, t.writes...)
	}
	outcomes := w.store.Write(ctx, writes)
	for _, t := range tasks {
		for _, i := range t.open {
			if err := outcomes[0].Err; err != nil {
				t.results[i] = w.failure(&t.operations[i], err)
			} else {
				t.results[i] = messages.Result{Version: outcomes[0].Version, Replayed: outcomes[0].Replayed}
			}
			outcomes = outcomes[1:]
		}
	}
	return make([]struct{}, len(tasks))
}

// writeOf turns an operation into what the store does. Its error is the document's fault.
func writeOf(o *messages.Operation) (store.Write, error) {
	change, err := settings.Replace(o.Document)
	if err != nil {
		return store.Write{}, err
	}
	w := store.Write{User: o.User, ID: o.ID, Fingerprint: o.Fingerprint, Change: change}
	if w.Fingerprint == nil {
		w.Fingerprint = []byte{} // none is a fingerprint like any other, and never SQL's null
	}
	if o.Deadline != 0 {
		w.Deadline = time.UnixMilli(o.Deadline)
	}
	return w, nil
}

// kindOf is the one place where the errors of domain and store become kinds.
func kindOf(err error) messages.Kind {
	switch {
	case errors.Is(err, settings.ErrMalformed):
		return messages.KindMalformed
	case errors.Is(err, settings.ErrInvalid):
		return messages.KindInvalid
	case errors.Is(err, store.ErrIDReused):
		return messages.KindIDReused
	case errors.Is(err, store.ErrExpired):
		return messages.KindExpired
	case errors.Is(err, store.ErrOutcomeUnknown): // before Unavailable: it may wrap both
		return messages.KindOutcomeUnknown
	case errors.Is(err, store.ErrUnavailable):
		return messages.KindUnavailable
	default:
		return messages.KindInternal
	}
}

// ours tells whether a failure is due to the service and not to what was asked.
func ours(k messages.Kind) bool {
	switch k {
	case messages.KindOverloaded, messages.KindUnavailable, messages.KindOutcomeUnknown, messages.KindInternal:
		return true
	default:
		return false
	}
}

// failure words an error for the asker. What is ours to know stays in our log.
func (w *Worker) failure(o *messages.Operation, err error) messages.Result {
	r := messages.Result{Kind: kindOf(err)}
	if !ours(r.Kind) {
		r.Detail = messages.Detail(err.Error())
		return r
	}
	w.sometimes.Do(func() {
		w.log.Error("operation failed", "request_id", o.RequestID, "kind", r.Kind, "error", err)
	})
	return r
}

func (e *endpoint) count(n int64, results []messages.Result) {
	e.requests.Add(n)
	for i := range results {
		if r := &results[i]; ours(r.Kind) {
			last := string(r.Kind)
			if r.Detail != "" {
				last += ": " + r.Detail
			}
			e.lastError.Store(&last)
			e.errors.Add(n / int64(len(results))) // one each, or all for a refusal as a whole
		}
	}
}

func (e *endpoint) logResult(t *task, i int) {
	if log := e.worker.log; log.Enabled(context.Background(), slog.LevelDebug) {
		o, r := &t.operations[i], &t.results[i]
		log.Debug("answered", "endpoint", e.name, "request_id", o.RequestID, "kind", r.Kind,
			"version", r.Version, "replayed", r.Replayed, "took", time.Since(t.arrived))
	}
}
