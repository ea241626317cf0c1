package worker

import (
	"context"
	"log/slog"

	"github.com/outset-settings/outset/internal/tracing"
	"github.com/outset-settings/outset/pkg/messages"
)

// traced returns run with a span around it, for the batcher of this queue.
func (w *Worker) traced(queue string, run func(context.Context, *flight),
) func(context.Context, *flight) {
	if w.config.Tracer == nil {
		return run
	}
	return func(ctx context.Context, f *flight) {
		span := w.trace(queue, f)
		defer span.End()
		run(tracing.With(ctx, span), f)
	}
}

// trace starts the span of a batch, if any of its works is traced.
func (w *Worker) trace(queue string, f *flight) *tracing.Span {
	var riders []tracing.Rider
	for i, work := range f.Calls {
		riders = tracing.AddRider(riders, tracing.Rider{
			Request: tracing.ParsePlace(work.Trace), Message: work.task.trace, Waited: f.Waited(i),
		})
	}
	return w.config.Tracer.Batch(queue, len(f.Calls), riders)
}

// exemplar returns what tells the exemplar of a work, or nil if none is traced.
func (w *Worker) exemplar() func(*work) map[string]string {
	if w.config.Tracer == nil {
		return nil
	}
	return func(w *work) map[string]string { return tracing.ParsePlace(w.Trace).Exemplar() }
}

// logOf returns the log of what happens to an operation.
func (w *Worker) logOf(o *messages.Operation) *slog.Logger {
	return w.log.With("request_id", o.RequestID).With(tracing.ParsePlace(o.Trace).LogArgs()...)
}
