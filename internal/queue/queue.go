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
	"github.com/outset-settings/outset/internal/metrics/hops"
	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/internal/tracing"
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
	// batchCost bounds what others wait for who are in the same batch, as messages.Operation.Cost
	// counts.
	batchCost = 10 * time.Millisecond
	// What waits for a batch: reads, writes and parts each, half of it for one principal. More is
	// refused.
	queueOperations = 8192
	queueBytes      = 128 << 20
	// maxWait is how long an operation is expected to wait for its batch at most: more is refused
	// at once, and not when its time, five seconds unless set otherwise, is over.
	maxWait = 3 * time.Second
	// maxStanding is the same in an overload. It keeps the workers busy, and is over within a
	// second after the overload.
	maxStanding = 400 * time.Millisecond
	slowAfter   = 50 * time.Millisecond // a batch takes milliseconds
	// A batch of which nothing was heard for so long gives its lane to the next: its worker may be
	// dead, and those behind it need not wait until that is certain. One that is at it says so more
	// often (messages.WorkingEvery).
	releaseAfter = 250 * time.Millisecond
	maxReleased  = 64
	// So many writes may be left in batches that give their lane away although their worker is at
	// them: they wait for rows that others have locked. Reads don't: those that take long are work.
	maxStuck = 64
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
	// Tracer makes the spans of batches that have traced operations; nil: there are none.
	Tracer *tracing.Tracer
}

// Queue is where operations wait for a batch. Its methods are safe for concurrent use.
type Queue struct {
	workers              *workers
	figures              *figures
	budget               *budget
	reads, writes, parts *batcher
}

// batcher is one of the queues, in which operations wait for their batch.
type batcher struct {
	*batch.Batcher[*messages.Operation, messages.Result]

	count hops.Count
}

// New returns a queue that knows of no worker until Start. The caller must close it.
func New(nc *nats.Conn, config Config, log *slog.Logger) *Queue {
	w := newWorkers(nc, config.WorkerGrace, log)
	r := &requester{nc: nc}
	sometimes := &rate.Sometimes{First: 100, Interval: 100 * time.Millisecond}
	again := newBudget()
	figures := newFigures()
	batches := func(name, subject string, operations int) *batcher {
		return newBatcher(name, operations, asker{
			requester: r, workers: w, subject: subject, log: log, sometimes: sometimes,
			budget: again, figures: figures, tracer: config.Tracer, queue: name,
			attemptTimeout: cmp.Or(config.AttemptTimeout, attemptTimeout),
		})
	}
	return &Queue{
		workers: w,
		figures: figures,
		budget:  again,
		reads:   batches("read", messages.ReadSubject, batchOperations),
		writes:  batches("write", messages.WriteSubject, batchOperations),
		parts:   batches("part", messages.ReadSubject, 1),
	}
}

func newBatcher(name string, most int, a asker) *batcher {
	stuck := 0
	if a.subject == messages.WriteSubject {
		stuck = maxStuck
	}
	b := batch.New(context.Background(), batch.Options[*messages.Operation, messages.Result]{
		Lanes: minLanes,
		Spare: 1,
		Batch: batch.Size{Count: most, Bytes: batchBytes, Cost: batchCost},
		Queue: batch.Size{Count: queueOperations, Bytes: queueBytes},
		Of: func(o *messages.Operation) batch.Size {
			return batch.Size{Count: 1, Bytes: o.Size(), Cost: o.Cost()}
		},
		Principal:    func(o *messages.Operation) uint64 { return o.Principal },
		Took:         func(r messages.Result) time.Duration { return r.Cost() },
		MaxWait:      maxWait,
		MaxStanding:  maxStanding,
		SlowAfter:    slowAfter,
		ReleaseAfter: releaseAfter,
		MaxReleased:  maxReleased,
		MaxStuck:     stuck,
		Until: func(o *messages.Operation) time.Time {
			return a.workers.clock.Ours(time.UnixMilli(o.Deadline))
		},
	}, hops.Observe(a.figures.batches, name, a.ask, a.exemplar()))
	a.figures.batches.Add(name, b.Stats)
	return &batcher{b, a.figures.results.Of(name)}
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

// Now is the time by the database's clock, as the workers tell it. It is the clock of the times of
// operations, [messages.Operation.Deadline] and [messages.Operation.Issued].
func (q *Queue) Now() time.Time { return q.workers.clock.Now() }

// Deadline is the Deadline of an operation that has so much time from now on.
func (q *Queue) Deadline(timeout time.Duration) int64 { return q.Now().Add(timeout).UnixMilli() }

// Ready returns nil if operations can be served: NATS is connected and carries all messages, and
// when last counted there was a worker that knows all actions.
func (q *Queue) Ready() error { return q.workers.ready() }

// AllKnow tells whether there is no worker that is too old for the action.
func (q *Queue) AllKnow(action messages.Action) bool { return !q.workers.anyOlder(action) }

// Figures are those of the queues "read", "write" and "part".
func (q *Queue) Figures() map[string]pool.Queue {
	return map[string]pool.Queue{
		"read": pool.QueueOf(q.reads.Stats()), "write": pool.QueueOf(q.writes.Stats()),
		"part": pool.QueueOf(q.parts.Stats()),
	}
}

// Workers is how many there were when last counted, those included that can't reach their database.
func (q *Queue) Workers() int { return q.workers.present(false) + q.workers.present(true) }

// Read has an operation done that reads.
func (q *Queue) Read(o *messages.Operation) messages.Result { return q.reads.do(o) }

// Part has one part of a listing done. It travels alone: what it brings back fills a message, and
// would push others out of the reply.
func (q *Queue) Part(o *messages.Operation) messages.Result { return q.parts.do(o) }

// Write has an operation done that writes. Where the result is KindOutcomeUnknown, the operation
// may still be read afterwards and must not be changed.
func (q *Queue) Write(o *messages.Operation) messages.Result { return q.writes.do(o) }

// Go has an operation done that reads, and returns. It calls done exactly once, on another
// goroutine; done must not block.
func (q *Queue) Go(o *messages.Operation, done func(messages.Result)) {
	q.reads.Go([]*messages.Operation{o},
		func(o *messages.Operation, r messages.Result, err error) {
			r = q.reads.result(o, r, err)
			if err != nil { // it may be on this one
				go done(r)
				return
			}
			done(r)
		})
}

// Close refuses new operations, and returns when those that were taken have their results. When
// ctx ends first it gives up on them, and returns its error.
func (q *Queue) Close(ctx context.Context) error {
	defer q.workers.stop()
	return errors.Join(q.reads.Close(ctx), q.writes.Close(ctx), q.parts.Close(ctx))
}

func (b *batcher) do(o *messages.Operation) messages.Result {
	r, err := b.Do(o)
	return b.result(o, r, err)
}

// result is the result of an operation, counted.
func (b *batcher) result(o *messages.Operation, r messages.Result, err error) messages.Result {
	r = resultOf(o, r, err)
	b.count(r.Kind, r.Replayed)
	return r
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
