// Package queue asks the workers: it puts operations together into batches, sends each batch as one
// NATS message to the workers' queue group, and repeats what has no answer yet where that is safe.
//
// The way of an operation: [Queue] (queue.go) → a batch of internal/batch → ask.go, which sends it,
// and sends it again → requester.go, a request of NATS. What is known of the workers is in
// workers.go. Every failure is a [messages.Kind] in the result.
package queue

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

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
	// what fits into NATS's default max_payload; ask splits what is more
	batchBytes = 1<<20 - 4<<10
	// queueBytes bounds the memory of what waits.
	queueBytes = 64 << 20
	// A batch that takes longer than this gives its lane to the next: its worker may be
	// dead, and those behind it needn't wait until that is certain.
	patience = 200 * time.Millisecond
	maxLate  = 64
)

// Config has the limits of a queue.
type Config struct {
	// WorkerGrace is how long after the last sign of a worker operations wait for another; past it
	// they are refused at once.
	WorkerGrace time.Duration
	// Size is how many operations wait for a batch, reads and writes each; what exceeds it is
	// refused.
	Size int
}

// Queue is where operations wait for a batch. Its methods are safe for concurrent use.
type Queue struct {
	pool                 *pool
	reads, writes, parts *batcher
}

type batcher = batch.Batcher[*messages.Operation, messages.Result]

// New returns a queue that counts the workers until ctx ends. It is to be closed.
func New(ctx context.Context, nc *nats.Conn, config Config, log *slog.Logger) (*Queue, error) {
	p := &pool{nc: nc, grace: config.WorkerGrace, members: make(map[string]member)}
	mail := &mailroom{nc: nc}
	q := &Queue{
		pool:  p,
		reads: newBatcher(ctx, config, batchOperations, asker{mail, p, messages.ReadSubject, log}),
		writes: newBatcher(ctx, config, batchOperations, asker{
			mail, p, messages.WriteSubject, log,
		}),
		parts: newBatcher(ctx, config, 1, asker{mail, p, messages.ReadSubject, log}),
	}
	return q, p.watch(ctx, func(workers int) {
		lanes := min(max(workers, minLanes), maxLanes)
		q.reads.SetLanes(lanes)
		q.writes.SetLanes(lanes)
		q.parts.SetLanes(lanes)
	})
}

func newBatcher(ctx context.Context, config Config, most int, a asker) *batcher {
	return batch.New(ctx, batch.Options[*messages.Operation]{
		Lanes: minLanes,
		Batch: batch.Size{Count: most, Bytes: batchBytes},
		Queue: batch.Size{Count: config.Size, Bytes: queueBytes},
		Of: func(o *messages.Operation) batch.Size {
			return batch.Size{Count: 1, Bytes: o.Size()}
		},
		Patience: patience,
		MaxLate:  maxLate,
		Until:    func(o *messages.Operation) time.Time { return time.UnixMilli(o.Deadline) },
	}, a.ask)
}

// Read has an operation done that reads.
func (q *Queue) Read(o *messages.Operation) messages.Result { return read(q.reads, o) }

// Part has one part of a listing done. It travels alone: what it brings back fills a message, and
// would push others out of the reply.
func (q *Queue) Part(o *messages.Operation) messages.Result { return read(q.parts, o) }

func read(b *batcher, o *messages.Operation) messages.Result {
	r := resultOf(b.Do(o))
	if r.Kind == messages.KindOutcomeUnknown {
		r.Kind = messages.KindUnavailable // a read has no outcome to wonder about
	}
	return r
}

// Write has an operation done that writes. The operation may still be read after that, where the
// outcome is unknown.
func (q *Queue) Write(o *messages.Operation) messages.Result { return resultOf(q.writes.Do(o)) }

// WriteAll has writes done side by side, and returns the result of each at its index.
func (q *Queue) WriteAll(operations []*messages.Operation) []messages.Result {
	results := make([]messages.Result, len(operations))
	var underWay sync.WaitGroup
	for i, o := range operations {
		underWay.Add(1)
		done := func(r messages.Result, err error) {
			results[i] = resultOf(r, err)
			underWay.Done()
		}
		if err := q.writes.Go(o, done); err != nil {
			done(messages.Result{}, err)
		}
	}
	underWay.Wait()
	return results
}

// Go has an operation done that reads, and returns. When it returns nil, done is called exactly
// once, on another goroutine, and must not block.
func (q *Queue) Go(o *messages.Operation, done func(messages.Result, error)) error {
	return q.reads.Go(o, done)
}

// resultOf is the result of a call, or what its error means.
func resultOf(r messages.Result, err error) messages.Result {
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
		return messages.Result{Kind: messages.KindOutcomeUnknown, Detail: "no answer in time"}
	}
}

// AllKnow tells whether no worker is known to be too old for the action.
func (q *Queue) AllKnow(action messages.Action) bool { return !q.pool.anyOlder(action) }

// Close refuses new operations, and returns when those that were taken have their results. When
// ctx ends first it gives up on them, and returns its error.
func (q *Queue) Close(ctx context.Context) error {
	return errors.Join(q.reads.Close(ctx), q.writes.Close(ctx), q.parts.Close(ctx))
}
