package api

import (
	"context"
	"errors"
	"log/slog"
	"math"
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
	pollEvery      = 25 * time.Millisecond  // while waiting for a worker to come back, or for one that knows the action
	unknownPause   = 100 * time.Millisecond // before asking what became of an operation once more
	maxBusyPause   = 50 * time.Millisecond  // before asking for a document that others were writing all the time
	lastCall       = 100 * time.Millisecond // too little for that: without an answer in time the outcome would be unknown
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
	// When a worker first was too old for an operation and no other was known to be new enough.
	tooOld time.Time
	// By place: refusals that stand if nothing else is heard before the deadline.
	refused map[int]messages.Result
	// By place: what the first answer said about Replayed, of those whose result did not fit into it.
	replayed map[int]bool
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
//   - "no" to what the current document doesn't allow, after an attempt without an answer: likewise,
//     since that attempt may have found, or may yet find, another document;
//   - others were writing the same document all the time: until the deadline, so that it is the request that
//     waits, and not the worker;
//   - an answer that did not fit beside the others: at once;
//   - a worker that is too old to know an action: one that does.
func (a asker) ask(ctx context.Context, operations []messages.Operation) []messages.Result {
	s := &batchState{
		operations: operations, results: make([]messages.Result, len(operations)),
		refused: make(map[int]messages.Result), replayed: make(map[int]bool),
	}
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
			next := s.settle(reply.Results)
			pause = next.pause
			if next.newest != 0 {
				subject, pause = a.whoKnows(s, next.newest)
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
		wait(ctx, min(pause, s.untilExpiry(time.Now())))
	}
	return s.results
}

// whoKnows is where to ask for an action that a worker didn't know, and the pause before that. The
// operation fails when nobody turns up who knows it.
func (a asker) whoKnows(s *batchState, action messages.Action) (subject string, pause time.Duration) {
	if id := a.pool.knows(action); id != "" {
		return messages.Named(a.subject, id), 0
	}
	if s.tooOld.IsZero() {
		s.tooOld = time.Now()
	}
	if time.Since(s.tooOld) > countEvery+countWindow { // a new worker would be counted by now
		s.fail(messages.Result{Kind: messages.KindUnavailable, Detail: "the workers are older than the API; nobody knows this operation yet"})
	}
	return a.subject, pollEvery
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

// next is how to go on with the operations that an answer has left open.
type next struct {
	pause  time.Duration
	newest messages.Action // the highest that the worker didn't know; 0: it knew all
}

// settle takes over the results of the first open operations. What is not settled by them stays open:
// what did not fit into the reply (the first always fits, so the rest gets smaller), what the worker
// is too old for, and what its result doesn't tell enough of.
func (s *batchState) settle(results []messages.Result) (n next) {
	var again []int
	for i, r := range results {
		place := s.open[i]
		action := s.operations[place].Action
		switch {
		case r.Kind == messages.KindAskAgain && i > 0:
			if _, known := s.replayed[place]; !known {
				s.replayed[place] = r.Replayed
			}
		case r.Unknown(action):
			n.newest = max(n.newest, action)
		case s.maybe(r.Kind):
			n.pause = max(n.pause, unknownPause)
		case r.Busy && s.left(place, time.Now()) > lastCall:
			n.pause = max(n.pause, rand.N(maxBusyPause)) //nolint:gosec // jitter, not a secret
			s.refused[place] = r
		case s.attempts > 0 && action.Writes() && r.Kind.Dated():
			n.pause = max(n.pause, unknownPause)
			s.refused[place] = r
		default:
			if first, known := s.replayed[place]; known && r.Kind == "" {
				r.Replayed = first
			}
			s.results[place] = r
			continue
		}
		again = append(again, place)
	}
	s.open = append(again, s.open[len(results):]...)
	return n
}

// maybe tells whether "not now" may be untrue of an operation: an earlier attempt had no
// answer, and may have applied it or yet apply it.
func (s *batchState) maybe(k messages.Kind) bool { return s.attempts > 0 && k.Temporary() }

// expire settles the operations whose time is up.
func (s *batchState) expire(now time.Time) {
	var open []int
	for _, place := range s.open {
		if refusal, ok := s.refused[place]; ok && s.operations[place].Expired(now) {
			s.results[place] = s.judged(refusal) // no attempt can belie it from now on
		} else if s.operations[place].Expired(now) {
			s.results[place] = s.judged(messages.Result{Kind: messages.KindExpired})
		} else {
			open = append(open, place)
		}
	}
	s.open = open
}

// untilExpiry is how long the first open operation has left.
func (s *batchState) untilExpiry(now time.Time) time.Duration {
	left := time.Duration(math.MaxInt64)
	for _, place := range s.open {
		left = min(left, s.left(place, now))
	}
	return max(left, 0)
}

// left is how much time the operation at a place has.
func (s *batchState) left(place int, now time.Time) time.Duration {
	return time.UnixMilli(s.operations[place].Deadline).Sub(now)
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
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
