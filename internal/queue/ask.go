package queue

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/pkg/messages"
)

// How often and how long a batch is asked for. Three attempts and their pauses fit into the default
// request timeout.
const (
	maxAttempts    = 3           // without an answer
	attemptTimeout = time.Second // the last attempt has what is left of the deadline
	// before a batch is sent to another worker, once, where one was full
	maxOverloadPause = 20 * time.Millisecond
	// while waiting for a worker to come back, or for one that knows the action
	pollEvery    = 25 * time.Millisecond
	unsurePause  = 100 * time.Millisecond // before asking again what became of an operation
	maxBusyPause = 50 * time.Millisecond  // before a document that others were writing all the time
	// With less time left a busy document is not asked for again: without an answer in time the
	// outcome would be unknown.
	minRetryBudget = 100 * time.Millisecond
)

// asker sends batches of operations to the workers that listen on one subject.
type asker struct {
	requester *requester
	workers   *workers
	subject   string
	log       *slog.Logger
	// In an outage, or in a flood of false answers, every batch fails. It limits the log lines of
	// all askers.
	sometimes *rate.Sometimes

	attemptTimeout time.Duration
}

// retry is how to ask for what has no result yet.
type retry struct {
	subject string // "": the queue group's
	pause   time.Duration
}

// ask returns a result for each operation. It sends the batch to the queue group, and sends again
// whatever has no result yet, where that is safe and may help, until the operations' deadlines. The
// operation ids stay the same, so nothing is applied twice.
func (a asker) ask(ctx context.Context, operations []*messages.Operation) []messages.Result {
	p := newPending(operations)
	var next retry
	for p.expire(time.Now()); len(p.open) > 0; p.expire(time.Now()) {
		next = a.attempt(ctx, cmp.Or(next.subject, a.subject), p)
		wait(ctx, min(next.pause, p.untilExpiry(time.Now())))
	}
	return p.results
}

// attempt sends one request, and settles what is certain after it.
func (a asker) attempt(ctx context.Context, subject string, p *pending) retry {
	began := time.Now()
	reply, err := a.request(ctx, subject, p)
	switch {
	case err == nil:
		a.workers.heardFrom(reply.Worker)
		return a.answered(p, reply)
	case notSent(err) && subject != a.subject:
		return retry{} // that worker is gone; the queue group may have others
	case notSent(err):
		return a.unsent(ctx, p, err)
	default:
		return a.unanswered(ctx, p, began, err)
	}
}

// request sends open operations to one worker, as many as fit in a message, and waits for its
// reply.
func (a asker) request(ctx context.Context, subject string, p *pending) (messages.Reply, error) {
	operations := p.next(messages.Capacity(a.requester.nc.MaxPayload()))
	data, err := messages.EncodeRequest(messages.Request{Operations: operations})
	if err != nil {
		return messages.Reply{}, err
	}
	m, err := a.requester.request(ctx, subject, data,
		p.attemptDeadline(time.Now(), a.attemptTimeout))
	if err != nil {
		return messages.Reply{}, err
	}
	return messages.DecodeReply(m.Data, len(operations))
}

// answered handles a reply. Results that did not fit into it are requested at once. A full worker
// is passed over for another one, once. A write to a document that others keep writing is repeated
// until its deadline, so that the request waits and not the worker.
func (a asker) answered(p *pending, reply messages.Reply) retry {
	if reply.Kind == messages.KindOverloaded && !p.overloaded {
		p.overloaded = true
		return retry{pause: rand.N(maxOverloadPause)} //nolint:gosec // jitter, not a secret
	}
	results := reply.Results
	if reply.Kind != "" {
		results = slices.Repeat([]messages.Result{a.whole(reply)}, p.sent)
	}
	pause, unknown := p.settle(results, time.Now())
	if unknown != 0 {
		return a.tooOld(p, unknown)
	}
	return retry{pause: pause}
}

// whole is the result that a reply gives to its request as a whole.
func (a asker) whole(reply messages.Reply) messages.Result {
	if reply.Kind == messages.KindMalformed { // our mistake, not the client's
		a.sometimes.Do(func() {
			a.log.Error("a worker can't read our request", "worker", reply.Worker, "detail",
				reply.Detail)
		})
		return messages.Result{Kind: messages.KindInternal}
	}
	return messages.Result{Kind: reply.Kind, Detail: reply.Detail}
}

// tooOld handles a worker that does not know an action: it sends the batch to one that does. The
// operations fail if a complete count of the workers finds none.
func (a asker) tooOld(p *pending, action messages.Action) retry {
	if id := a.workers.thatKnows(action); id != "" {
		return retry{subject: messages.WorkerSubject(a.subject, id)}
	}
	current, finished := a.workers.counts()
	if p.tooOldSince == 0 {
		p.tooOldSince = current
	}
	if finished > p.tooOldSince {
		p.fail(messages.Result{
			Kind:   messages.KindUnavailable,
			Detail: "the workers are older than the API; nobody knows this operation yet",
		})
		return retry{}
	}
	return retry{pause: pollEvery}
}

// unsent handles a request that reached no worker: it is sent again while a worker may be coming
// back.
func (a asker) unsent(ctx context.Context, p *pending, err error) retry {
	if !a.workers.comingBack() || ctx.Err() != nil {
		p.fail(messages.Result{Kind: messages.KindUnavailable, Detail: a.unreachable(err)})
		return retry{}
	}
	return retry{pause: pollEvery}
}

// unanswered handles a request that may have reached a worker but got no reply. The next goes to a
// worker that has given a sign of life since: one that is frozen stays in the queue group, and
// would be drawn again.
func (a asker) unanswered(ctx context.Context, p *pending, began time.Time, err error) retry {
	p.silence()
	a.sometimes.Do(func() {
		a.log.Warn("no answer from a worker", "subject", a.subject, "operations", p.sent,
			"attempt", p.unanswered, "error", err)
	})
	if p.unanswered == maxAttempts || ctx.Err() != nil {
		p.fail(messages.Result{
			Kind: messages.KindUnavailable, Detail: "no worker answered in time",
		})
		return retry{}
	}
	ctx, cancel := context.WithTimeout(ctx, p.untilExpiry(time.Now()))
	defer cancel()
	if id := a.workers.heardSince(ctx, began); id != "" {
		return retry{subject: messages.WorkerSubject(a.subject, id)}
	}
	return retry{}
}

// notSent tells whether the request surely reached no worker.
func notSent(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, errNotSent)
}

func (a asker) unreachable(err error) string {
	switch {
	case !errors.Is(err, nats.ErrNoResponders):
		return "the queue can't be reached"
	case a.workers.anyLost():
		return noDatabase
	default:
		return "there is no worker"
	}
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
