// Package batch puts concurrent calls together, so that what a trip costs (a
// NATS message, a Postgres round trip) is paid once a batch and not once a call.
//
// A [Batcher] has a few lanes; a lane carries one batch at a time. A call that
// finds all lanes free leaves at once, so an idle system adds no latency. Calls that
// arrive while lanes are busy wait in one bounded queue and leave together,
// as soon as a lane comes back, or as soon as they are enough for a free one to carry about
// as much as the others: the busier it is, the bigger the batches and the cheaper each call.
//
// Calls have a principal, for whom they are, and a cost. Where more is asked for than can be
// carried principals take turns (flow.go), and what would wait too long is refused (pace.go).
package batch

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Why a call was not taken, or left before its turn. In each case but the last it has not run
// and will not.
var (
	ErrFull    = errors.New("batch: the queue is full")
	ErrClosed  = errors.New("batch: closed")
	ErrExpired = errors.New("batch: the call's time ran out while it was queued")
	ErrLost    = errors.New("batch: the call's time ran out while it was under way")
)

// Size is what a call takes up in a batch and in the queue. As a bound it has a part that is zero
// where that is not bounded.
type Size struct {
	Count, Bytes int
	Cost         time.Duration // of computing, as far as it is known before
}

func (s Size) plus(o Size) Size {
	return Size{s.Count + o.Count, s.Bytes + o.Bytes, s.Cost + o.Cost}
}

func (s Size) minus(o Size) Size {
	return Size{s.Count - o.Count, s.Bytes - o.Bytes, s.Cost - o.Cost}
}

func (s Size) within(l Size) bool {
	return s.Count <= l.Count && s.Bytes <= l.Bytes && (l.Cost == 0 || s.Cost <= l.Cost)
}

// Options are the bounds of a [Batcher]. Spare, DearLanes, and SlowAfter and those after it, may be
// left out.
type Options[C, R any] struct {
	Lanes int // batches under way at once
	Spare int // beside them, for guests of one who has most of what is under way
	// DearLanes is how many of the lanes one principal's dear bulk may have while others are there
	// (bulk.go). Zero: all.
	DearLanes int

	Batch Size         // bound of one batch; a call that is larger travels alone
	Queue Size         // bound of all calls that wait; one principal may have half of it
	Of    func(C) Size // the size of a call

	// SlowAfter is when a batch under way is slow: calls that wait for its lane leave on lanes that
	// are free, even if they are few. It is also how often this and the following are checked.
	SlowAfter time.Duration
	// ReleaseAfter is when a batch under way of which there is no sign, see [Flight.Alive], gives
	// its lane to the next, so that a peer that has died does not stop those behind it. The batch
	// itself goes on.
	ReleaseAfter time.Duration
	// MaxReleased bounds the batches that go on so, beyond the lanes. Zero: a batch holds its lane
	// to the end.
	MaxReleased int
	// MaxStuck is how many calls may be left, together, in batches that give their lane to the next
	// after ReleaseAfter although there are signs of them. What has carried all but a few calls,
	// which wait for something else, need not stop those behind it. Zero: none.
	MaxStuck int
	// Until is when a call that waits is given up, with [ErrExpired]. A call under way is given up
	// with [ErrLost] after a grace period of ReleaseAfter, so that run can report first. Nil:
	// never.
	Until func(C) time.Time
	// Principal tells for whom a call is. All principals get the same share of the lanes and of
	// the queue, as far as they use it. Nil: there is one.
	Principal func(C) uint64
	// Key tells what a call is about. Calls of one key are never in two batches under way at once:
	// those that come meanwhile wait and leave together (keyed.go). Nil or "": with none.
	Key func(C) string
	// Took is what a call turned out to cost, or 0: as much as Of said. Who asks for what costs
	// more than it seemed pays for it afterwards. Nil: always as much as Of said.
	Took func(R) time.Duration
	// MaxWait refuses a call, with [ErrFull], that is expected to wait longer for its batch. Zero:
	// none is.
	MaxWait time.Duration
	// MaxStanding is the same for calls that come when there has been more to carry than batches
	// hold for a second: a burst may wait, and a queue that stands only makes all that is in it
	// late. Zero: no other than MaxWait.
	MaxStanding time.Duration
}

// Batcher collects calls of type C and answers each with an R. Its methods are
// safe for concurrent use.
type Batcher[C, R any] struct {
	run     func(context.Context, *Flight[C, R])
	options Options[C, R]
	ctx     context.Context // of every run; ends when the context of Close does
	cancel  context.CancelFunc
	calls   sync.Pool // of Do

	mu        sync.Mutex
	waiting   waiting[C, R]
	lanes     int             // that may be open
	busy      int             // that are open
	flights   []*Flight[C, R] // the batches under way
	lastBatch int             // calls in the batch that was made last
	pace      float64         // cost that a lane carries, per time, in full batches
	paceEnds  time.Time       // when that tells nothing any more; zero: it was never measured
	most      int             // calls of a batch, at most Options.Batch.Count
	measured  int             // how often, without a pause
	standing  time.Time       // since when every batch was full, without a pause
	checking  bool            // a check is scheduled
	busyTime  time.Duration   // of lanes, without the flights under way that hold one
	refused   uint64          // calls
	ended     ended           // flights
	closed    bool
	idle      chan struct{} // closed when closed and nothing waits or is under way
}

// New returns a Batcher whose lanes hand their batches to run, which answers all calls of the
// flight and returns. The context that run gets has the values of ctx and outlives its
// cancellation: it ends only when the context given to Close does.
func New[C, R any](ctx context.Context, options Options[C, R],
	run func(context.Context, *Flight[C, R]),
) *Batcher[C, R] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // Close calls it
	return &Batcher[C, R]{
		run: run, options: options, ctx: ctx, cancel: cancel,
		lanes: max(options.Lanes, 1), most: options.Batch.Count, idle: make(chan struct{}),
		waiting: waiting[C, R]{mostDear: options.DearLanes},
		calls:   sync.Pool{New: func() any { return &call[C, R]{ready: make(chan struct{}, 1)} }},
	}
}

// Do runs the call in a batch and returns its result, or one of the errors above. Options.Until and
// run bound how long that takes.
//
// A caller who opens a lane and whose call leaves alone carries it itself. Handing it to another
// goroutine and being woken again would cost an idle system more than all the rest of the batcher.
func (b *Batcher[C, R]) Do(value C) (R, error) {
	c, _ := b.calls.Get().(*call[C, R])
	b.prepare(c, value, time.Now())
	opened, err := b.submit(c)
	if err != nil {
		var none R
		return none, err
	}
	if opened {
		b.lane(c)
	}
	<-c.ready
	result, err := c.result, c.err
	if !errors.Is(err, ErrLost) { // else a lane still has it
		c.reset()
		b.calls.Put(c)
	}
	return result, err
}

func (b *Batcher[C, R]) prepare(c *call[C, R], value C, now time.Time) {
	c.value, c.size, c.arrived = value, b.options.Of(value), now
	if b.options.Principal != nil {
		c.principal = b.options.Principal(value)
	}
	if b.options.Key != nil {
		c.key = b.options.Key(value)
	}
}

// Go queues the calls and returns. It calls done exactly once for each: with its result on a lane's
// goroutine, so done must not block; or, also before Go returns, with one of the errors above.
func (b *Batcher[C, R]) Go(values []C, done func(C, R, error)) {
	if len(values) == 0 {
		return
	}
	calls := make([]call[C, R], len(values))
	refused := make([]error, len(values))
	now := time.Now()
	b.mu.Lock()
	for i := range calls {
		calls[i].done = done
		b.prepare(&calls[i], values[i], now)
		refused[i] = b.queue(&calls[i])
	}
	b.dispatch()
	b.mu.Unlock()
	for i, err := range refused {
		if err != nil {
			var none R
			done(values[i], none, err)
		}
	}
}

// SetLanes changes the number of lanes. Batches under way are not disturbed.
func (b *Batcher[C, R]) SetLanes(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lanes = max(n, 1)
	b.dispatch()
}

// Close refuses new calls, runs what is queued, and returns when every call has been
// answered. When ctx ends first, runs under way are cancelled, calls that
// still wait are answered with [ErrClosed], and Close returns the context's
// error after the last run has returned.
func (b *Batcher[C, R]) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.finishIfIdle()
	b.mu.Unlock()

	defer b.cancel()
	select {
	case <-b.idle:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	calls := b.waiting.removeAll()
	b.finishIfIdle()
	b.mu.Unlock()
	b.cancel() // from here on a lane that comes back finds nothing to carry
	refuse(calls, ErrClosed)
	<-b.idle
	return context.Cause(ctx)
}
