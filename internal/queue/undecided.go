package queue

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// batchState is a batch on its way: which of its operations have no result yet, and
// what is known of them as a whole.
type batchState struct {
	operations []*messages.Operation
	results    []messages.Result
	open       []int // places of those without a result
	attempts   int   // that ended without an answer
	overloads  int   // workers that were full
	// When a worker first was too old for an operation and no other was known to be new enough.
	tooOld time.Time
	// By place: what to answer if nothing better is heard before the deadline.
	refused map[int]messages.Result
	// By place: writes that are done, and whether they were before, of which the result did not fit
	// beside the others. Asking again gets it.
	done map[int]bool
	// Operations in one request, after a reply that had no room for all results; 0: as many as fit.
	most int
}

func newBatchState(operations []*messages.Operation) *batchState {
	s := &batchState{
		operations: operations, results: make([]messages.Result, len(operations)),
		open:    make([]int, len(operations)),
		refused: make(map[int]messages.Result), done: make(map[int]bool),
	}
	for i := range operations {
		s.open[i] = i
	}
	return s
}

// fitting returns the first open operations that have room in one request, one at least.
func (s *batchState) fitting(room int) []messages.Operation {
	fit := make([]messages.Operation, 0, len(s.open))
	for _, place := range s.open {
		o := s.operations[place]
		if room -= o.Size(); len(fit) > 0 && (room < 0 || len(fit) == s.most) {
			break
		}
		fit = append(fit, *o)
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

// settle takes over the results of the first open operations. What is not settled by them stays
// open: what did not fit into the reply (the first always fits, so the rest gets smaller), what the
// worker is too old for, and what its result doesn't tell enough of.
func (s *batchState) settle(results []messages.Result) (n next) {
	var again []int
	left := 0 // without room for their results
	for i, r := range results {
		place := s.open[i]
		o := s.operations[place]
		switch {
		case r.Kind == messages.KindAskAgain && i > 0:
			if _, known := s.done[place]; !known && o.Action.Writes() {
				s.done[place] = r.Replayed
			}
			left++
		case r.Kind == messages.KindUnknownAction:
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

// limit makes the next request as large as the reply to the last one had room for. Asking for all
// that is left each time, a worker would do most of it over and over again.
func (s *batchState) limit(fitted, asked int) {
	switch {
	case fitted < asked:
		s.most = max(fitted, 1)
	case s.most > 0:
		s.most *= 2
	}
}

// doubt tells whether a refusal says nothing about what became of the operation: it is done, or an
// attempt that had no answer may have applied it or may yet. That its id was used for another write
// is certain in any case.
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
	return slices.ContainsFunc(s.open, func(place int) bool {
		return s.doubt(place, messages.KindUnavailable)
	})
}

// expire settles the operations whose time is up.
func (s *batchState) expire(now time.Time) {
	open := s.open[:0]
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
		return messages.Result{
			Kind: messages.KindOutcomeUnknown, Detail: "an attempt had no answer",
		}
	}
	return r
}
