package api

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
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
	// By place: what to answer if nothing better is heard before the deadline.
	refused map[int]messages.Result
	// By place: writes that are done, and whether they were before, of which the result did not fit beside the
	// others. Asking again gets it.
	done map[int]bool
	// Operations in one request, after a reply that had no room for all results; 0: as many as fit.
	most int
}

// ask gets a result for each operation. It asks again where that is safe and may
// help, always with the same operation ids, so that nothing is applied twice:
//
//   - nobody is there to ask, or NATS is away: while a worker may be coming back;
//   - a worker is full: once, since the next one may not be;
//   - "no" to a write after an attempt without an answer, which may have applied it or may yet: until the
//     deadline, to learn what became of it;
//   - no answer: maxAttempts times in all, while the deadlines allow, and now a worker
//     that has given a sign of life meanwhile;
//   - others were writing the same document all the time: until the deadline, so that it is the request that
//     waits, and not the worker;
//   - a result that did not fit beside the others: at once, with as many others as did;
//   - a worker that is too old to know an action: one that does.
func (a asker) ask(ctx context.Context, operations []messages.Operation) []messages.Result {
	s := &batchState{
		operations: operations, results: make([]messages.Result, len(operations)),
		refused: make(map[int]messages.Result), done: make(map[int]bool),
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
		case err == nil && reply.Kind.Temporary() && s.anyDoubt():
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
			clear(s.refused) // it may have applied what was refused before
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
		if room -= o.Size(); len(fit) > 0 && (room < 0 || len(fit) == s.most) {
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
	left := 0 // without room for their results
	for i, r := range results {
		place := s.open[i]
		o := &s.operations[place]
		switch {
		case r.Kind == messages.KindAskAgain && i > 0:
			if _, known := s.done[place]; !known && o.Action.Writes() {
				s.done[place] = r.Replayed
			}
			left++
		case r.Unknown(o.Action):
			n.newest = max(n.newest, o.Action)
		case s.doubt(place, r.Kind):
			n.pause = max(n.pause, unknownPause)
		case r.Busy && s.left(place, time.Now()) > lastCall:
			n.pause = max(n.pause, rand.N(maxBusyPause)) //nolint:gosec // jitter, not a secret
			s.refused[place] = r
		default:
			if first, known := s.done[place]; known {
				r.Replayed = first
			}
			s.results[place] = r
			continue
		}
		again = append(again, place)
	}
	s.limit(len(results)-left, len(results))
	s.open = append(again, s.open[len(results):]...)
	return n
}

// limit makes the next request as large as the reply to the last one had room for. Asking for all that is left
// each time, a worker would do most of it over and over again.
func (s *batchState) limit(fitted, asked int) {
	switch {
	case fitted < asked:
		s.most = max(fitted, 1)
	case s.most > 0:
		s.most *= 2
	}
}

// doubt tells whether a refusal says nothing about what became of the operation: it is done, or an attempt that
// had no answer may have applied it or may yet. That its id was used for another write is certain in any case.
func (s *batchState) doubt(place int, k messages.Kind) bool {
	_, done := s.done[place]
	switch {
	case k == "" || k == messages.KindIDReused:
		return false
	case !s.operations[place].Action.Writes():
		return s.attempts > 0 && k.Temporary()
	default:
		return done || s.attempts > 0
	}
}

func (s *batchState) anyDoubt() bool {
	return slices.ContainsFunc(s.open, func(place int) bool { return s.doubt(place, messages.KindUnavailable) })
}

// expire settles the operations whose time is up.
func (s *batchState) expire(now time.Time) {
	var open []int
	for _, place := range s.open {
		if !s.operations[place].Expired(now) {
			open = append(open, place)
			continue
		}
		r, refused := s.refused[place]
		if !refused {
			r = messages.Result{Kind: messages.KindExpired}
		}
		s.results[place] = s.judged(place, r)
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
		s.results[place] = s.judged(place, r)
	}
	s.open = nil
}

// judged is the result where no more is to be learnt.
func (s *batchState) judged(place int, r messages.Result) messages.Result {
	if s.doubt(place, r.Kind) {
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
