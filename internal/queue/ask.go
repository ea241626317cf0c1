package queue

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/internal/tracing"
	"github.com/outset-settings/outset/pkg/messages"
)

// How often and how long a batch is asked for. Three attempts and their pauses fit into the default
// request timeout.
const (
	maxAttempts    = 3           // without an answer
	attemptTimeout = time.Second // without a sign of the worker; the last has all that is left
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
	budget    *budget  // of all askers
	figures   *figures // of all askers
	tracer    *tracing.Tracer
	queue     string // its name

	attemptTimeout time.Duration
}

// retry is how to ask for what has no result yet.
type retry struct {
	subject string // "": the queue group's
	pause   time.Duration
	// free: nobody has had any work with the last attempt, so that the next is not counted.
	free bool
	// silence: the last attempt had no answer.
	silence bool
}

// flight is a batch of operations.
type flight = batch.Flight[*messages.Operation, messages.Result]

// ask gives each operation its result. It sends the batch to the queue group, and sends again
// whatever has no result yet, where that is safe and may help, until the operations' deadlines. The
// operation ids stay the same, so nothing is applied twice.
func (a asker) ask(ctx context.Context, f *flight) {
	a.budget.earn(len(f.Calls))
	p := newPending(f.Calls, f.Answer)
	p.span = a.trace(f)
	defer p.span.End()
	next := retry{free: true}
	for p.expire(a.now()); len(p.open) > 0; p.expire(a.now()) {
		if !next.free && !a.mayAskAgain(p.askedBefore(), next.silence) {
			p.failAsked(messages.Result{
				Kind: messages.KindOverloaded, Detail: "too much is asked again already",
			})
			next.free = true
			continue
		}
		next = a.attempt(ctx, cmp.Or(next.subject, a.subject), p, f.Alive)
		p.asked = nil
		wait(ctx, min(next.pause, p.untilExpiry(a.now())))
	}
}

// mayAskAgain tells whether so many operations may be asked again, and counts them.
func (a asker) mayAskAgain(operations int, silence bool) bool {
	may := a.budget.spend(operations, silence)
	a.figures.askedAgain(operations, silence, may)
	return may
}

// attempt sends one request, and settles what is certain after it. It calls alive when it hears of
// a worker.
func (a asker) attempt(ctx context.Context, subject string, p *pending, alive func()) retry {
	p.heard = time.Now()
	p.attempts++
	err := a.request(ctx, subject, p, alive)
	a.figures.asked(err)
	switch {
	case err == nil && p.unknown != 0:
		return a.tooOld(p)
	case err == nil:
		return retry{pause: p.pause}
	case notSent(err) && subject != a.subject:
		// That worker is gone; the queue group may have others. The pause is for when it is named
		// again, until it is missed.
		return retry{free: true, pause: pollEvery}
	case notSent(err):
		return a.unsent(ctx, p, err)
	default:
		return a.unanswered(ctx, p, err)
	}
}

// request sends open operations to one worker, as many as fit in a message, and takes its replies
// until it has told of each. Replies to other requests don't count, whoever sends them here.
func (a asker) request(ctx context.Context, subject string, p *pending, alive func()) error {
	operations := p.next(messages.Capacity(a.requester.nc.MaxPayload()))
	span := p.span.Send(subject, len(operations), p.attempts)
	defer span.End()
	request := messages.Request{
		Operations: operations, Secret: messages.NewSecret(), Trace: span.Place().Bytes(),
	}
	data, err := messages.EncodeRequest(request)
	if err != nil {
		return err
	}
	proof := request.Proof()
	var wrong error
	err = a.requester.request(ctx, exchange{
		subject: subject, data: data,
		patience: func() (silence, left time.Duration) {
			return p.patience(a.now(), a.attemptTimeout)
		},
		receive: func(m *nats.Msg) (counts, last bool) {
			reply, err := messages.DecodeReply(m.Data, len(operations))
			switch {
			case !bytes.Equal(reply.Proof, proof):
				a.sometimes.Do(func() {
					a.log.Warn("a reply was ignored: it is to another request", "worker",
						reply.Worker, "error", err)
				})
				return false, false
			case err != nil:
				wrong = err
				return true, true
			}
			alive()
			a.workers.heardFrom(reply.Worker)
			p.heard = time.Now()
			span.AnsweredBy(reply.Worker)
			a.told(p, &reply)
			return true, p.awaited == 0
		},
	})
	err = cmp.Or(err, wrong)
	span.Fail(outcome(err))
	return err
}

// trace starts the span of a batch, if any of its operations is traced.
func (a asker) trace(f *flight) *tracing.Span {
	if a.tracer == nil {
		return nil
	}
	var riders []tracing.Rider
	for i, o := range f.Calls {
		riders = tracing.AddRider(riders, tracing.Rider{
			Request: tracing.ParsePlace(o.Trace), Waited: f.Waited(i),
		})
	}
	return a.tracer.Batch(a.queue, len(f.Calls), riders)
}

// exemplar returns what tells the exemplar of an operation, or nil if none is traced.
func (a asker) exemplar() func(*messages.Operation) map[string]string {
	if a.tracer == nil {
		return nil
	}
	return func(o *messages.Operation) map[string]string {
		return tracing.ParsePlace(o.Trace).Exemplar()
	}
}

// told handles a reply.
func (a asker) told(p *pending, reply *messages.Reply) {
	if reply.Kind == messages.KindMalformed { // our mistake, not the client's
		a.sometimes.Do(func() {
			a.log.Error("a worker can't read our request", "worker", reply.Worker, "detail",
				reply.Detail)
		})
		reply.Kind, reply.Detail = messages.KindInternal, ""
	}
	now := a.now()
	p.told(reply, now)
	p.expire(now)
}

// tooOld handles a worker that does not know an action: it sends the batch to one that does. The
// operations fail if a complete count of the workers finds none.
func (a asker) tooOld(p *pending) retry {
	if id := a.workers.thatKnows(p.unknown); id != "" {
		return retry{subject: messages.WorkerSubject(a.subject, id), free: true}
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
	return retry{pause: pollEvery, free: true}
}

// unsent handles a request that reached no worker: it is sent again while a worker may be coming
// back.
func (a asker) unsent(ctx context.Context, p *pending, err error) retry {
	if !a.workers.comingBack() || ctx.Err() != nil {
		p.fail(messages.Result{Kind: messages.KindUnavailable, Detail: a.unreachable(err)})
		return retry{}
	}
	return retry{pause: pollEvery, free: true}
}

// unanswered handles a request that may have reached a worker but got no reply. The next goes to a
// worker that has given a sign of life since: one that is frozen stays in the queue group, and
// would be drawn again.
func (a asker) unanswered(ctx context.Context, p *pending, err error) retry {
	p.silence()
	a.sometimes.Do(func() {
		a.log.With(p.span.Place().LogArgs()...).Warn("no answer from a worker", "subject", a.subject,
			"operations", p.awaited, "attempt", p.unanswered, "error", err)
	})
	if p.unanswered == maxAttempts || ctx.Err() != nil {
		p.fail(messages.Result{
			Kind: messages.KindUnavailable, Detail: "no worker answered in time",
		})
		return retry{}
	}
	ctx, cancel := context.WithTimeout(ctx, p.untilExpiry(a.now()))
	defer cancel()
	if id := a.workers.heardSince(ctx, p.heard); id != "" {
		return retry{subject: messages.WorkerSubject(a.subject, id), silence: true}
	}
	return retry{silence: true}
}

// now is the time by the clock of the operations' deadlines.
func (a asker) now() time.Time { return a.workers.clock.Now() }

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
