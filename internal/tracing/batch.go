package tracing

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// The attributes that are ours.
const (
	queueKey      = attribute.Key("outset.queue")
	operationsKey = attribute.Key("outset.batch.operations") // traced or not
	attemptKey    = attribute.Key("outset.attempt")
	workerKey     = attribute.Key("outset.worker")
	linkKey       = attribute.Key("outset.link") // what a link leads to
)

var natsKey = semconv.MessagingSystemKey.String("nats")

// What links lead to.
var (
	toBatch   = linkKey.String("batch")   // of a request in a queue
	toRequest = linkKey.String("request") // of a batch
	toMessage = linkKey.String("message")
)

// Rider is a traced request that has operations in a batch.
type Rider struct {
	Request Place         // its span
	Message Place         // of the message that has brought them; zero in the API
	Waited  time.Duration // in the queue
}

// AddRider adds the request of an operation to those of a batch, each of which comes once: an
// import has many operations in one batch. It does nothing if the request isn't traced.
func AddRider(riders []Rider, r Rider) []Rider {
	if r.Request.IsZero() {
		return riders
	}
	for i := range riders {
		if riders[i].Request == r.Request && riders[i].Message == r.Message {
			riders[i].Waited = max(riders[i].Waited, r.Waited)
			return riders
		}
	}
	return append(riders, r)
}

// parent is where the batch of the rider belongs.
func (r *Rider) parent() Place {
	if r.Message.IsZero() {
		return r.Request
	}
	return r.Message
}

// Batch starts the span of a batch that leaves a queue now. It is in the trace of the first rider,
// and has links to all. Each rider's trace gets a span of the time in the queue, with a link to the
// batch. Without riders it returns nil.
func (t *Tracer) Batch(queue string, operations int, riders []Rider) *Span {
	if t == nil || len(riders) == 0 {
		return nil
	}
	kind, role := trace.SpanKindInternal, attribute.KeyValue{}
	if !riders[0].Message.IsZero() {
		kind, role = trace.SpanKindConsumer, semconv.MessagingOperationTypeProcess
	}
	links := make([]trace.Link, 0, len(riders)+1)
	var messages []Place
	for i := range riders {
		r := &riders[i]
		links = append(links, r.Request.link(toRequest))
		if !r.Message.IsZero() && !slices.Contains(messages, r.Message) {
			messages = append(messages, r.Message)
		}
	}
	for _, m := range messages {
		links = append(links, m.link(toMessage))
	}
	attributes := []attribute.KeyValue{queueKey.String(queue), operationsKey.Int(operations)}
	if role.Valid() {
		attributes = append(attributes, natsKey, role)
	}
	now := time.Now()
	s := t.start(riders[0].parent().context(), "batch "+queue, trace.WithSpanKind(kind),
		trace.WithTimestamp(now), trace.WithAttributes(attributes...), trace.WithLinks(links...))
	batch := s.Place()
	if batch.IsZero() {
		return nil
	}
	for i := range riders {
		r := &riders[i]
		waited := t.start(r.Request.context(), "queue "+queue,
			trace.WithTimestamp(now.Add(-r.Waited)), trace.WithLinks(batch.link(toBatch)),
			trace.WithAttributes(queueKey.String(queue), operationsKey.Int(operations)))
		if waited != nil {
			waited.span.End(trace.WithTimestamp(now))
		}
	}
	return s
}

// Send starts the span of a message to a subject, and of the wait for its replies.
func (s *Span) Send(subject string, operations, attempt int) *Span {
	if s == nil {
		return nil
	}
	return s.child("send "+subject, trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(natsKey, semconv.MessagingOperationTypeSend,
			semconv.MessagingOperationName("request"), semconv.MessagingDestinationName(subject),
			operationsKey.Int(operations), attemptKey.Int(attempt)))
}

// AnsweredBy says which worker has answered.
func (s *Span) AnsweredBy(worker string) {
	if s != nil {
		s.span.SetAttributes(workerKey.String(worker))
	}
}

// Query starts the span of a round trip to Postgres, or of the wait for a connection to it.
func (s *Span) Query(operation string) *Span {
	if s == nil {
		return nil
	}
	return s.child("postgres "+operation, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(semconv.DBSystemNamePostgreSQL, semconv.DBOperationName(operation)))
}
