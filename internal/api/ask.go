package api

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// How often and how long a batch is asked for. A worker answers in milliseconds, so one
// that hasn't in a second has died with the batch or is frozen. Three attempts and
// their pauses fit into the default request timeout.
const (
	maxAttempts    = 3
	attemptTimeout = time.Second            // but for the last, which has what is left of the deadline
	maxPause       = 20 * time.Millisecond  // before asking elsewhere, once, where a worker was full
	pollEvery      = 25 * time.Millisecond  // while waiting for a worker to come back
	unknownPause   = 100 * time.Millisecond // before asking what became of an operation once more
)

// asker sends batches of operations to the workers.
type asker struct {
	nc      *nats.Conn
	pool    *pool
	subject string
	log     *slog.Logger
}

// batchState is a batch on its way: which of its operations have no result yet, and
// what is known of them as a whole.
type batchState struct {
	operations []messages.Operation
	results    []messages.Result
	open       []int // places of those without a result
	attempts   int   // that ended without an answer
	overloads  int   // workers that were full
}

// ask gets a result for each operation. It asks again where that is safe and may
// help, always with the same operation ids, so that nothing is applied twice:
//
//   - nobody is there to ask, or NATS is away: while a worker may be coming back;
//   - a worker is full: once, since the next one may not be;
//   - "not now" after an attempt without an answer, which may still be under way: until
//     the deadline, to learn what became of it;
//   - no answer: maxAttempts times in all, while the deadlines allow, and now a worker
//     that has given a sign of life meanwhile;
//   - an answer that did not fit beside the others: at once.
func (a asker) ask(ctx context.Context, operations []messages.Operation) []messages.Result {
	s := &batchState{operations: operations, results: make([]messages.Result, len(operations))}
	for i := range operations {
		s.open = append(s.open, i)
	}
	subject := a.subject
	for s.expire(time.Now()); len(s.open) > 0; s.expire(time.Now()) {
		began := time.Now()
		reply, err := a.request(ctx, subject, s)
		subject = a.subject
		if err == nil {
			a.pool.sign(reply.Worker)
		}
		pause := time.Duration(0)
		switch {
		case err == nil && reply.Kind == "":
			if undecided := s.settle(reply.Results); undecided {
				pause = unknownPause
			}
		case err == nil && s.maybe(reply.Kind):
			pause = unknownPause
		case err == nil && reply.Kind == messages.KindOverloaded && s.overloads == 0:
			s.overloads++
			pause = rand.N(maxPause) //nolint:gosec // jitter, not a secret
		case err == nil:
			s.fail(a.whole(reply))
		case notSent(err) && a.pool.comingBack() && ctx.Err() == nil:
			pause = pollEvery
		case notSent(err):
			s.fail(messages.Result{Kind: messages.KindUnavailable, Detail: unreachable(err)})
		default:
			s.attempts++
			a.log.Warn("no answer from a worker", "subject", a.subject, "operations", len(s.open), "attempt", s.attempts, "error", err)
			if s.attempts == maxAttempts || ctx.Err() != nil {
				s.fail(messages.Result{Kind: messages.KindOutcomeUnknown, Detail: "no worker answered in time"})
			} else if id := a.pool.alive(began); id != "" {
				subject = messages.Named(a.subject, id)
			}
		}
		wait(ctx, pause)
	}
	return s.results
}

// whole is the result that a reply gives to its request as a whole.
func (a asker) whole(reply messages.Reply) messages.Result {
	if reply.Kind == messages.KindMalformed { // what we sent, not what the client did
		a.log.Error("a worker can't read our request", "worker", reply.Worker, "detail", reply.Detail)
		return messages.Result{Kind: messages.KindInternal}
	}
	return messages.Result{Kind: reply.Kind, Detail: reply.Detail}
}

// request sends open operations to one worker, as many as fit in a message, and
// waits for its reply.
func (a asker) request(ctx context.Context, subject string, s *batchState) (messages.Reply, error) {
	r := messages.Request{Operations: s.fitting(messages.Room(a.nc.MaxPayload()))}
	data, err := messages.EncodeRequest(r)
	if err != nil {
		return messages.Reply{}, err
	}
	ctx, cancel := context.WithDeadline(ctx, s.patience(time.Now()))
	defer cancel()
	m, err := a.nc.RequestWithContext(ctx, subject, data)
	if err != nil {
		return messages.Reply{}, err
	}
	return messages.DecodeReply(m.Data, len(r.Operations))
}

// fitting returns the first open operations that have room in one request, one at least.
func (s *batchState) fitting(room int) []messages.Operation {
	var fit []messages.Operation
	for _, place := range s.open {
		o := s.operations[place]
		if room -= o.Size(); room < 0 && len(fit) > 0 {
			break
		}
		fit = append(fit, o)
	}
	return fit
}

// patience is until when the next attempt may take.
func (s *batchState) patience(now time.Time) time.Time {
	last := int64(0)
	for _, i := range s.open {
		last = max(last, s.operations[i].Deadline)
	}
	until, deadline := now.Add(attemptTimeout), time.UnixMilli(last)
	if deadline.Before(until) || s.attempts == maxAttempts-1 {
		return deadline
	}
	return until
}

// settle takes over the results of the first open operations. Those that did not fit
// into the reply stay open, the first of which always fits, so the rest gets smaller.
// Those whose result doesn't tell what became of them stay open too: undecided.
func (s *batchState) settle(results []messages.Result) (undecided bool) {
	var again []int
	for i, r := range results {
		place := s.open[i]
		switch {
		case r.Kind == messages.KindAskAgain && i > 0:
			again = append(again, place)
		case s.maybe(r.Kind):
			again = append(again, place)
			undecided = true
		default:
			s.results[place] = r
		}
	}
	s.open = append(again, s.open[len(results):]...)
	return undecided
}

// maybe tells whether "not now" may be untrue of an operation: an earlier attempt had no
// answer, and may have applied it or yet apply it.
func (s *batchState) maybe(k messages.Kind) bool { return s.attempts > 0 && k.Temporary() }

// expire settles the operations whose time is up.
func (s *batchState) expire(now time.Time) {
	var open []int
	for _, place := range s.open {
		if s.operations[place].Expired(now) {
			s.results[place] = s.judged(messages.Result{Kind: messages.KindExpired})
		} else {
			open = append(open, place)
		}
	}
	s.open = open
}

// fail gives all open operations the same result.
func (s *batchState) fail(r messages.Result) {
	for _, place := range s.open {
		s.results[place] = s.judged(r)
	}
	s.open = nil
}

// judged is the result where no more is to be learnt.
func (s *batchState) judged(r messages.Result) messages.Result {
	if s.maybe(r.Kind) {
		return messages.Result{Kind: messages.KindOutcomeUnknown, Detail: "an attempt had no answer"}
	}
	return r
}

// notSent tells whether the request surely reached no worker.
func notSent(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, nats.ErrReconnectBufExceeded) || // not connected, and nothing is sent late
		errors.Is(err, nats.ErrMaxPayload) // the server's is under MinPayload, and the API not ready
}

func unreachable(err error) string {
	if errors.Is(err, nats.ErrNoResponders) {
		return "there is no worker"
	}
	return "the queue can't be reached"
}

func wait(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
