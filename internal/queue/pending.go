package queue

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/outset-settings/outset/internal/tracing"
	"github.com/outset-settings/outset/pkg/messages"
)

// pending is a batch on its way: the operations that have no result yet. For each it remembers what
// the attempts so far have told, so that an operation that may have been applied is never answered
// with "no".
type pending struct {
	answer func(index int, r messages.Result) // gives an operation of the batch its result
	span   *tracing.Span                      // of the batch; nil: it isn't traced
	open   []*operation                       // those without a result, in the order of the batch
	// What the last request asked for, in its order. Nil: it has been told what became of it.
	asked []*operation
	// How many of the asked have to be told about.
	awaited int
	// What the answers so far say of the next request.
	pause   time.Duration   // before it
	unknown messages.Action // the highest action that the worker doesn't know; 0: none

	attempts   int
	unanswered int       // attempts that had no answer
	heard      time.Time // when the last attempt began, or last had a reply
	// The count of the workers during which a worker first was too old for an operation and no
	// other was known to be new enough; 0: that has not happened.
	tooOldSince int
}

// operation is one that has no result yet.
type operation struct {
	*messages.Operation

	index int // in the batch
	// unsure: it may have been applied, or may yet be: an attempt had no answer.
	unsure bool
	asked  bool // it was in a request
	// full: a worker was, and it was sent to another.
	full bool
	// busy is the last answer, if that was a refusal because others were writing the document, or
	// because the database couldn't be reached.
	busy *messages.Result
	// waits: the last answer was such a refusal, whatever became of the attempts before.
	waits bool
	// settled: it has its result.
	settled bool
}

func newPending(operations []*messages.Operation, answer func(int, messages.Result)) *pending {
	p := &pending{answer: answer, open: make([]*operation, len(operations))}
	all := make([]operation, len(operations))
	for i, o := range operations {
		all[i] = operation{Operation: o, index: i, unsure: o.Again}
		p.open[i] = &all[i]
	}
	return p
}

// next returns the operations of the next request: the first open ones that fit, one at least.
func (p *pending) next(capacity int) []messages.Operation {
	fit := make([]messages.Operation, 0, len(p.open))
	for _, o := range p.open {
		if capacity -= o.Size(); len(fit) > 0 && capacity < 0 {
			break
		}
		o.asked = true
		fit = append(fit, *o.Operation)
		fit[len(fit)-1].Again = o.unsure && o.Action.Writes()
	}
	p.asked = slices.Clone(p.open[:len(fit)])
	p.awaited, p.pause, p.unknown = len(fit), 0, 0
	return fit
}

// askedBefore is how many of the open operations were in a request, but for those that only wait
// for others who write the same document, or for the database.
func (p *pending) askedBefore() (n int) {
	for _, o := range p.open {
		if o.askedBefore() {
			n++
		}
	}
	return n
}

func (o *operation) askedBefore() bool { return o.asked && !o.waits }

// finish gives an operation its result.
func (p *pending) finish(o *operation, r messages.Result) {
	o.settled = true
	p.answer(o.index, r)
}

// patience is how long to wait for a reply, of all the time that is left. The last attempt has all
// of it.
func (p *pending) patience(now time.Time, timeout time.Duration) (silence, left time.Duration) {
	for _, o := range p.asked {
		if o != nil {
			left = max(left, o.left(now))
		}
	}
	if p.unanswered == maxAttempts-1 {
		return left, left
	}
	return min(left, timeout), left
}

// silence notes that what was asked and not told has no answer.
func (p *pending) silence() {
	p.unanswered++
	for _, o := range p.asked {
		if o != nil {
			o.unsure, o.waits = true, false
			o.busy = nil // what was refused before may have been applied now
		}
	}
}

// told takes over what a reply says of the operations at these indexes of the request.
func (p *pending) told(reply *messages.Reply, now time.Time) {
	switch {
	case reply.Working:
	case reply.Kind != "":
		for i := range p.asked {
			p.settle(i, messages.Result{Kind: reply.Kind, Detail: reply.Detail}, now)
		}
	case len(reply.Of) > 0:
		for n, i := range reply.Of {
			p.settle(i, reply.Results[n], now)
		}
	default:
		for i, r := range reply.Results {
			p.settle(i, r, now)
		}
	}
}

// settle gives the operation at index i of the request its result, or leaves it open to be asked
// again.
func (p *pending) settle(i int, r messages.Result, now time.Time) {
	o := p.asked[i]
	if o == nil { // told before, or expired
		return
	}
	p.asked[i] = nil
	p.awaited--
	o.waits = r.Busy
	switch {
	case r.Kind == messages.KindUnknownAction:
		p.unknown = max(p.unknown, o.Action)
	case o.tellsNothing(&r):
		p.pause = max(p.pause, unsurePause)
	case r.Kind == messages.KindOutcomeUnknown && o.left(now) > minRetryBudget:
		o.unsure = true
		p.pause = max(p.pause, unsurePause)
	case r.Kind == messages.KindOverloaded && !o.full:
		o.full = true
		p.pause = max(p.pause, rand.N(maxOverloadPause)) //nolint:gosec // jitter, not a secret
	case r.Busy && o.left(now) > minRetryBudget:
		p.pause = max(p.pause, rand.N(maxBusyPause)) //nolint:gosec // jitter, not a secret
		o.busy = &r
	default:
		r.Replayed = o.repeated(&r)
		p.finish(o, r)
	}
}

// expire settles the operations whose deadline has passed.
func (p *pending) expire(now time.Time) {
	for i, o := range p.asked {
		if o != nil && o.Expired(now) {
			o.unsure, o.busy = true, nil
			p.asked[i] = nil
			p.awaited--
		}
	}
	for _, o := range p.open {
		if o.settled || !o.Expired(now) {
			continue
		}
		r := messages.Result{Kind: messages.KindExpired}
		if o.busy != nil {
			r = *o.busy
		}
		p.finish(o, o.last(r))
	}
	p.open = slices.DeleteFunc(p.open, func(o *operation) bool { return o.settled })
}

// fail settles all open operations alike, but for those of which there is more to tell.
func (p *pending) fail(r messages.Result) {
	for _, o := range p.open {
		if o.settled {
			continue
		}
		if o.busy != nil {
			p.finish(o, o.last(*o.busy))
		} else {
			p.finish(o, o.last(r))
		}
	}
	p.open = nil
}

// failAsked settles those that askedBefore counts.
func (p *pending) failAsked(r messages.Result) {
	p.open = slices.DeleteFunc(p.open, func(o *operation) bool {
		failed := o.askedBefore()
		if failed {
			p.finish(o, o.last(r))
		}
		return failed
	})
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

// repeated tells whether a result is the answer to an earlier request of the client's. A write that
// we have sent before may be applied by that attempt, which isn't a repetition for the client. One
// that was applied before the request came is, as far as the database's clock and ours agree.
func (o *operation) repeated(r *messages.Result) bool {
	if o.unsure && r.Replayed {
		return o.Keyed && r.Modified < o.Issued
	}
	return r.Replayed
}

// tellsNothing tells whether a result leaves open what became of the operation, since an earlier
// attempt may have applied it.
func (o *operation) tellsNothing(r *messages.Result) bool {
	switch {
	case !o.unsure || r.Fenced:
		return false
	case o.Action.Writes():
		return r.Kind.AfterUnknown() == messages.KindOutcomeUnknown
	default: // nothing is lost if a read is repeated
		return r.Kind.Temporary()
	}
}

// last is the result of an operation of which no more is to be learnt.
func (o *operation) last(r messages.Result) messages.Result {
	if !o.tellsNothing(&r) {
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
