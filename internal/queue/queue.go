// Package queue asks the workers: it puts operations together into batches, sends each batch as one
// NATS message to the workers' queue group, and repeats what has no answer yet where that is safe.
//
// The way of an operation: [Queue] (queue.go) → a batch of internal/batch → ask.go, which sends the
// batch and decides what is sent again → requester.go, a request of NATS. What is known of a batch
// is in pending.go, and what is known of the workers in workers.go. Every failure is a
// [messages.Kind] in the result.
package queue

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/pkg/messages"
)

// The bounds of the API's batches. Lanes follow the number of live workers. With one worker a few
// make large batches and leave no processor idle: with three here and three in the worker there
// were 1.2 times as many reads with 64 connections as with two and two, and 1.06 times as many
// replacements with 256 (2 cores, medians of 4 rounds); four were no better. There should be no
// more than the worker has, or the third batch waits for another's round trip: with three here and
// two there a database 5 ms away got 0.7 times as many replacements from 4 connections. With many
// workers, fewer lanes than workers would leave some without work.
const (
	minLanes        = 3
	maxLanes        = 64
	batchOperations = 256
	batchBytes      = 1<<20 - 4<<10 // fits in NATS's default max_payload; larger ones are split
	// What waits for a batch: reads, writes and parts each. More is refused.
	queueOperations = 4096
	queueBytes      = 64 << 20
	slowAfter       = 50 * time.Millisecond // a batch takes milliseconds
	// A batch that takes longer than this gives its lane to the next: its worker may be dead, and
	// those behind it need not wait until that is certain.
	releaseAfter = 200 * time.Millisecond
	maxReleased  = 64
)

// Config has the limits of a queue.
type Config struct {
	// WorkerGrace is how long after the last sign of a worker operations wait for another; past it
	// they are refused at once.
	WorkerGrace time.Duration
	// AttemptTimeout is how long a worker has to answer before the request is sent again; 0: a
	// second. Workers answer in milliseconds, so one that has not in a second has died with the
	// batch or is frozen.
	AttemptTimeout time.Duration
}

// Queue is where operations wait for a batch. Its methods are safe for concurrent use.
type Queue struct {
	workers              *workers
	reads, writes, parts *batcher
}

type batcher = batch.Batcher[*messages.Operation, messages.Result]

// New returns a queue that knows of no worker until Start. The caller must close it.
func New(nc *nats.Conn, config Config, log *slog.Logger) *Queue {
	w := newWorkers(nc, config.WorkerGrace)
	r := &requester{nc: nc}
	sometimes := &rate.Sometimes{First: 100, Interval: 100 * time.Millisecond}
	batches := func(subject string, operations int) *batcher {
		return newBatcher(operations, asker{
			requester: r, workers: w, subject: subject, log: log, sometimes: sometimes,
			attemptTimeout: cmp.Or(config.AttemptTimeout, attemptTimeout),
		})
	}
	return &Queue{
		workers: w,
		reads:   batches(messages.ReadSubject, batchOperations),
		writes:  batches(messages.WriteSubject, batchOperations),
		parts:   batches(messages.ReadSubject, 1),
	}
}

func newBatcher(most int, a asker) *batcher {
	return batch.New(context.Background(), batch.Options[*messages.Operation]{
		Lanes: minLanes,
		Batch: batch.Size{Count: most, Bytes: batchBytes},
		Queue: batch.Size{Count: queueOperations, Bytes: queueBytes},
		Of: func(o *messages.Operation) batch.Size {
			return batch.Size{Count: 1, Bytes: o.Size()}
		},
		SlowAfter:    slowAfter,
		ReleaseAfter: releaseAfter,
		MaxReleased:  maxReleased,
		Until:        func(o *messages.Operation) time.Time { return time.UnixMilli(o.Deadline) },
	}, a.ask)
}

// Start has the workers counted until Close, whatever becomes of ctx. It fails if the connection is
// closed for good.
func (q *Queue) Start(ctx context.Context) error {
	return q.workers.start(context.WithoutCancel(ctx), func(workers int) {
		lanes := min(max(workers, minLanes), maxLanes)
		q.reads.SetLanes(lanes)
		q.writes.SetLanes(lanes)
		q.parts.SetLanes(lanes)
	})
}

// Ready returns nil if operations can be served: NATS is connected and carries all messages, and
// when last counted there was a worker that knows all actions.
func (q *Queue) Ready() error { return q.workers.ready() }

// AllKnow tells whether there is no worker that is too old for the action.
func (q *Queue) AllKnow(action messages.Action) bool { return !q.workers.anyOlder(action) }

// Read has an operation done that reads.
func (q *Queue) Read(o *messages.Operation) messages.Result { return do(q.reads, o) }

// Part has one part of a listing done. It travels alone: what it brings back fills a message, and
// would push others out of the reply.
func (q *Queue) Part(o *messages.Operation) messages.Result { return do(q.parts, o) }

// Write has an operation done that writes. Where the result is KindOutcomeUnknown, the operation
// may still be read afterwards and must not be changed.
func (q *Queue) Write(o *messages.Operation) messages.Result { return do(q.writes, o) }

// Go has an operation done that reads, and returns. When it returns nil, done is called exactly
// once, on another goroutine, and must not block.
func (q *Queue) Go(o *messages.Operation, done func(messages.Result, error)) error {
	return q.reads.Go(o, done)
}

// Close refuses new operations, and returns when those that were taken have their results. When
// ctx ends first it gives up on them, and returns its error.
func (q *Queue) Close(ctx context.Context) error {
	defer q.workers.stop()
	return errors.Join(q.reads.Close(ctx), q.writes.Close(ctx), q.parts.Close(ctx))
}

func do(b *batcher, o *messages.Operation) messages.Result {
	r, err := b.Do(o)
	return resultOf(o, r, err)
}

// resultOf is the result of an operation, or what the batcher's error means.
func resultOf(o *messages.Operation, r messages.Result, err error) messages.Result {
	switch {
	case err == nil:
		return r
	case errors.Is(err, batch.ErrFull):
		return messages.Result{Kind: messages.KindOverloaded, Detail: "the API's queue is full"}
	case errors.Is(err, batch.ErrClosed):
		return messages.Result{Kind: messages.KindUnavailable, Detail: "the API is stopping"}
	case errors.Is(err, batch.ErrExpired):
		return messages.Result{
			Kind: messages.KindExpired, Detail: "it waited in the API's queue all the time",
		}
	default: // ErrLost
		return noAnswer(o)
	}
}
