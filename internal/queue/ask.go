package queue

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
	maxAttempts = 3
	// but for the last, which has what is left of the deadline
	attemptTimeout = time.Second
	// before asking elsewhere, once, where a worker was full
	maxPause = 20 * time.Millisecond
	// while waiting for a worker to come back, or for one that knows the action
	pollEvery    = 25 * time.Millisecond
	unknownPause = 100 * time.Millisecond // before asking what became of an operation once more
	// before asking for a document that others were writing all the time
	maxBusyPause = 50 * time.Millisecond
	// too little for that: without an answer in time the outcome would be unknown
	lastCall = 100 * time.Millisecond
)

// asker sends batches of operations to the workers.
type asker struct {
	mail    *mailroom
	pool    *pool
	subject string
	log     *slog.Logger
}

// ask gets a result for each operation. It asks again where that is safe and may
// help, always with the same operation ids, so that nothing is applied twice:
//
//   - nobody is there to ask, or NATS is away: while a worker may be coming back;
//   - a worker is full: once, since the next one may not be;
//   - "no" to a write after an attempt without an answer, which may have applied it or may yet:
//     until the deadline, to learn what became of it;
//   - no answer: maxAttempts times in all, while the deadlines allow, and now a worker
//     that has given a sign of life meanwhile;
//   - others were writing the same document all the time: until the deadline, so that it is the
//     request that waits, and not the worker;
//   - a result that did not fit beside the others: at once, with as many others as did;
//   - a worker that is too old to know an action: one that does.
func (a asker) ask(ctx context.Context, operations []*messages.Operation) []messages.Result {
	s := newBatchState(operations)
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
			a.log.Warn("no answer from a worker", "subject", a.subject, "operations", len(s.open),
				"attempt", s.attempts, "error", err)
			if s.attempts == maxAttempts || ctx.Err() != nil {
				s.fail(messages.Result{
					Kind: messages.KindOutcomeUnknown, Detail: "no worker answered in time",
				})
			} else if id := a.pool.alive(began); id != "" {
				subject = messages.WorkerSubject(a.subject, id)
			}
		}
		wait(ctx, min(pause, s.untilExpiry(time.Now())))
	}
	return s.results
}

// whoKnows is where to ask for an action that a worker didn't know, and the pause before that. The
// operation fails when nobody turns up who knows it.
func (a asker) whoKnows(
	s *batchState, action messages.Action,
) (subject string, pause time.Duration) {
	if id := a.pool.knows(action); id != "" {
		return messages.WorkerSubject(a.subject, id), 0
	}
	if s.tooOld.IsZero() {
		s.tooOld = time.Now()
	}
	if time.Since(s.tooOld) > countEvery+countWindow { // a new worker would be counted by now
		s.fail(messages.Result{
			Kind:   messages.KindUnavailable,
			Detail: "the workers are older than the API; nobody knows this operation yet",
		})
	}
	return a.subject, pollEvery
}

// whole is the result that a reply gives to its request as a whole.
func (a asker) whole(reply messages.Reply) messages.Result {
	if reply.Kind == messages.KindMalformed { // what we sent, not what the client did
		a.log.Error("a worker can't read our request", "worker", reply.Worker, "detail",
			reply.Detail)
		return messages.Result{Kind: messages.KindInternal}
	}
	return messages.Result{Kind: reply.Kind, Detail: reply.Detail}
}

// request sends open operations to one worker, as many as fit in a message, and
// waits for its reply.
func (a asker) request(ctx context.Context, subject string, s *batchState) (messages.Reply, error) {
	r := messages.Request{Operations: s.fitting(messages.Capacity(a.mail.nc.MaxPayload()))}
	data, err := messages.EncodeRequest(r)
	if err != nil {
		return messages.Reply{}, err
	}
	m, err := a.mail.request(ctx, subject, data, s.patience(time.Now()))
	if err != nil {
		return messages.Reply{}, err
	}
	return messages.DecodeReply(m.Data, len(r.Operations))
}

// notSent tells whether the request surely reached no worker.
func notSent(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, errNotSent)
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
