package api

import (
	"context"
	"errors"
	"log/slog"
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

// queue is where operations wait for a place in a NATS message. Parts of listings travel alone:
// what they bring back fills a message, and would push others out of the reply.
type queue struct {
	reads, writes, parts *batch.Batcher[*messages.Operation, messages.Result]
	pool                 *pool
}

func newQueue(ctx context.Context, nc *nats.Conn, config Config, log *slog.Logger) (*queue, error) {
	p := &pool{nc: nc, grace: config.WorkerGrace, members: make(map[string]member)}
	mail := &mailroom{nc: nc}
	q := &queue{
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

func newBatcher(ctx context.Context, config Config, most int,
	a asker,
) *batch.Batcher[*messages.Operation, messages.Result] {
	return batch.New(ctx, batch.Options[*messages.Operation]{
		Lanes: minLanes,
		Batch: batch.Size{Count: most, Bytes: batchBytes},
		Queue: batch.Size{Count: config.APIQueueSize, Bytes: queueBytes},
		Of: func(o *messages.Operation) batch.Size {
			return batch.Size{Count: 1, Bytes: o.Size()}
		},
		Patience: patience,
		MaxLate:  maxLate,
		Until:    func(o *messages.Operation) time.Time { return time.UnixMilli(o.Deadline) },
	}, a.ask)
}

func (q *queue) read(o *messages.Operation) messages.Result { return doRead(q.reads, o) }

func (q *queue) part(o *messages.Operation) messages.Result { return doRead(q.parts, o) }

func doRead(b *batch.Batcher[*messages.Operation, messages.Result],
	o *messages.Operation,
) messages.Result {
	r := do(b, o)
	if r.Kind == messages.KindOutcomeUnknown {
		r.Kind = messages.KindUnavailable // a read has no outcome to wonder about
	}
	return r
}

func (q *queue) write(o *messages.Operation) messages.Result { return do(q.writes, o) }

func do(b *batch.Batcher[*messages.Operation, messages.Result],
	o *messages.Operation,
) messages.Result {
	return resultOf(b.Do(o))
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

func (q *queue) close(ctx context.Context) error {
	return errors.Join(q.reads.Close(ctx), q.writes.Close(ctx), q.parts.Close(ctx))
}
