package queue

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// pending is a batch on its way: the results so far, and the operations that have none yet. For
// each of those it remembers what the attempts so far have told, so that an operation that may have
// been applied is never answered with "no".
type pending struct {
	results    []messages.Result // by index in the batch
	open       []*operation      // those without a result, in the order of the batch
	sent       int               // how many of them, from the first on, the last request had
	limit      int               // operations in the next request; 0: as many as fit
	unanswered int               // attempts that had no answer
	overloaded bool              // a worker was full
	// The count of the workers during which a worker first was too old for an operation and no
	// other was known to be new enough; 0: that has not happened.
	tooOldSince int
}

// operation is one that has no result yet.
type operation struct {
	*messages.Operation

	index int // in the batch
	// unsure: it may have been applied, or may yet be. An attempt had no answer, or the result had
	// no capacity left for it in the reply.
	unsure bool
	// done: it was applied, and only the result did not fit. replayed tells whether it had been
	// applied before.
	done, replayed bool
	// busy is the last answer, if that was a refusal because others were writing the document.
	busy *messages.Result
}

func newPending(operations []*messages.Operation) *pending {
	p := &pending{
		results: make([]messages.Result, len(operations)),
		open:    make([]*operation, len(operations)),
	}
	all := make([]operation, len(operations))
	for i, o := range operations {
		all[i] = operation{Operation: o, index: i}
		p.open[i] = &all[i]
	}
	return p
}

// next returns the operations of the next request: the first open ones that fit, one at least.
func (p *pending) next(capacity int) []messages.Operation {
	fit := make([]messages.Operation, 0, len(p.open))
	for _, o := range p.open {
		if capacity -= o.Size(); len(fit) > 0 && (capacity < 0 || len(fit) == p.limit) {
			break
		}
		fit = append(fit, *o.Operation)
	}
	p.sent = len(fit)
	return fit
}

// attemptDeadline is until when the next attempt may take: the last one has all that is left.
func (p *pending) attemptDeadline(now time.Time, timeout time.Duration) time.Time {
	last := int64(0)
	for _, o := range p.open {
		last = max(last, o.Deadline)
	}
	until, deadline := now.Add(timeout), time.UnixMilli(last)
	if deadline.Before(until) || p.unanswered == maxAttempts-1 {
		return deadline
	}
	return until
}

// silence notes that the last request had no answer.
func (p *pending) silence() {
	p.unanswered++
	for _, o := range p.open[:p.sent] {
		o.unsure = true
		o.busy = nil // what was refused before may have been applied now
	}
}

// settle takes over what a worker has answered to the last request. It returns how long to pause
// before the rest is asked for, and the highest action that the worker does not know, or 0.
func (p *pending) settle(results []messages.Result, now time.Time) (
	pause time.Duration, unknown messages.Action,
) {
	var again []*operation
	unfitting := 0
	for i, r := range results {
		o := p.open[i]
		switch {
		case r.Kind == messages.KindAskAgain && i > 0: // the first always fits
			o.appliedWithoutResult(r.Replayed)
			unfitting++
		case r.Kind == messages.KindUnknownAction:
			unknown = max(unknown, o.Action)
		case o.tellsNothing(r.Kind):
			pause = max(pause, unsurePause)
		case r.Busy && o.left(now) > minRetryBudget:
			pause = max(pause, rand.N(maxBusyPause)) //nolint:gosec // jitter, not a secret
			o.busy = &r
		default:
			if o.done {
				r.Replayed = o.replayed
			}
			p.results[o.index] = r
			continue
		}
		again = append(again, o)
	}
	p.adaptLimit(len(results)-unfitting, len(results))
	p.open = append(again, p.open[len(results):]...)
	return pause, unknown
}

// adaptLimit makes the next request as large as the last reply had capacity for. If all that is
// left were asked for each time, a worker would do most of it over and over again.
func (p *pending) adaptLimit(fitted, asked int) {
	switch {
	case fitted < asked:
		p.limit = max(fitted, 1)
	case p.limit > 0:
		p.limit *= 2
	}
}

// expire settles the operations whose deadline has passed.
func (p *pending) expire(now time.Time) {
	p.open = slices.DeleteFunc(p.open, func(o *operation) bool {
		if !o.Expired(now) {
			return false
		}
		r := messages.Result{Kind: messages.KindExpired}
		if o.busy != nil {
			r = *o.busy
		}
		p.results[o.index] = o.last(r)
		return true
	})
}

// fail settles all open operations alike.
func (p *pending) fail(r messages.Result) {
	for _, o := range p.open {
		p.results[o.index] = o.last(r)
	}
	p.open = nil
}

// untilExpiry is how long the first of the open operations has left.
func (p *pending) untilExpiry(now time.Time) time.Duration {
	left := time.Duration(math.MaxInt64)
	for _, o := range p.open {
		left = min(left, o.left(now))
	}
	return max(left, 0)
}

func (o *operation) left(now time.Time) time.Duration {
	return time.UnixMilli(o.Deadline).Sub(now)
}

// appliedWithoutResult notes that the result did not fit. A write is asked for again to get it, and
// is a repetition for the worker then, but not for the client.
func (o *operation) appliedWithoutResult(replayed bool) {
	if o.Action.Writes() && !o.done {
		o.unsure, o.done, o.replayed = true, true, replayed
	}
}

// tellsNothing tells whether a refusal leaves open what became of the operation, since an earlier
// attempt may have applied it.
func (o *operation) tellsNothing(refusal messages.Kind) bool {
	switch {
	case !o.unsure:
		return false
	case o.Action.Writes():
		return refusal.AfterUnknown() == messages.KindOutcomeUnknown
	default: // nothing is lost if a read is repeated
		return refusal.Temporary()
	}
}

// last is the result of an operation of which no more is to be learnt.
func (o *operation) last(r messages.Result) messages.Result {
	if !o.tellsNothing(r.Kind) {
		return r
	}
	return noAnswer(o.Operation)
}

// noAnswer is the result of an operation that may have been done, and of which nothing was heard.
func noAnswer(o *messages.Operation) messages.Result {
	kind := messages.KindOutcomeUnknown
	if !o.Action.Writes() { // then there is no outcome to wonder about
		kind = messages.KindUnavailable
	}
	return messages.Result{Kind: kind, Detail: "no worker answered in time"}
}
