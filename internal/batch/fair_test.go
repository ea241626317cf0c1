package batch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/batch"
)

// served is a batcher with one lane that is held until release, and what has left since, in order.
type served struct {
	*batch.Batcher[job, int]

	t       rapid.TB
	release chan struct{}
	jobs    []job
	batches int
}

// hold returns a batcher whose only lane is taken.
func hold(ctx context.Context, t rapid.TB, o batch.Options[job, int]) *served {
	t.Helper()
	s := &served{t: t, release: make(chan struct{})}
	o.Lanes = 1
	taken := make(chan struct{}, 1)
	s.Batcher = newBatcher(ctx, o, func(_ context.Context, jobs []job) []int {
		if jobs[0].id < 0 {
			taken <- struct{}{}
		}
		<-s.release
		if jobs[0].id >= 0 {
			s.jobs = append(s.jobs, jobs...)
			s.batches++
		}
		return ids(jobs)
	})
	s.offer(job{id: -1, count: 1})
	<-taken
	return s
}

func (s *served) offer(j job) {
	s.t.Helper()
	if err := offer(s.Batcher, j, func(int, error) {}); err != nil {
		s.t.Fatalf("call %d: %v", j.id, err)
	}
}

// serve lets everything run.
func (s *served) serve(ctx context.Context) {
	s.t.Helper()
	close(s.release)
	if err := s.Close(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// TestNobodyWaitsForOthers: whatever one principal has in the queue, the calls of another are among
// the first to leave.
func TestNobodyWaitsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(1, batch.Size{Count: 16, Bytes: 1 << 20}, large)
		s := hold(t.Context(), t, o)
		for i := range 1000 {
			s.offer(job{id: i, count: 1, cost: 100 * time.Microsecond, principal: 1})
		}
		s.offer(job{id: 1000, count: 1, cost: 100 * time.Microsecond, principal: 2})
		s.serve(t.Context())
		for n, j := range s.jobs[:16] {
			if j.principal == 2 {
				return
			}
			if n == 15 {
				t.Error("the call of the other principal isn't in the first batch")
			}
		}
	})
}

// TestSharesByCost throws random calls of some principals at a batcher. While all of them wait,
// none gets more than a turn and a call beyond the share of another, however few and dear or many
// and cheap their calls are, and no batch costs more than it may.
func TestSharesByCost(t *testing.T) {
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		const most = 2 * time.Millisecond // of one call
		o := options(1, batch.Size{Count: 64, Bytes: 1 << 20, Cost: most}, large)
		s := hold(ctx, t, o)
		principals := uint64(rapid.IntRange(2, 5).Draw(t, "principals"))
		cost := make(map[uint64]time.Duration) // that still waits
		for p := range principals {
			each := time.Duration(rapid.IntRange(1, int(most)).Draw(t, "cost"))
			for i := range 1 + 50*most/each {
				s.offer(job{id: int(i), count: 1, cost: each, principal: p})
				cost[p] += each
				if i > 2000 {
					break
				}
			}
		}
		s.serve(ctx)
		got := make(map[uint64]time.Duration)
		for _, j := range s.jobs {
			got[j.principal] += j.cost
			if cost[j.principal] -= j.cost; cost[j.principal] <= 0 {
				return // from here on the others have more
			}
			for p := range principals {
				if more := got[j.principal] - got[p]; more > 2*most+batch.Turn {
					t.Fatalf("principal %d is %v ahead of %d", j.principal, more, p)
				}
			}
		}
	})
}

// TestPaysAfterwards: who asks for what turns out to cost more than it seemed pays for it, and the
// next such calls are known for what they cost.
func TestPaysAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const dear = 5 * time.Millisecond
		o := options(1, batch.Size{Count: 8, Bytes: 1 << 20, Cost: dear}, large)
		o.Took = func(r int) time.Duration {
			if r < 1000 {
				return dear
			}
			return 0
		}
		s := hold(t.Context(), t, o)
		cheap := func(id int, principal uint64) job {
			return job{id: id, count: 1, cost: 10 * time.Microsecond, principal: principal}
		}
		for i := range 8 { // seem cheap, and cost 40 ms
			s.offer(cheap(i, 1))
		}
		s.release <- struct{}{} // for the call that holds the lane
		s.release <- struct{}{}
		synctest.Wait()
		s.offer(cheap(8, 1)) // takes the lane
		synctest.Wait()
		for i := 9; i < 20; i++ {
			s.offer(cheap(i, 1))
		}
		for i := range 500 {
			s.offer(cheap(1000+i, 2))
		}
		s.serve(t.Context())
		for n, j := range s.jobs[9:] {
			if j.principal == 1 && n < 400 {
				t.Errorf("the principal who owes is served after %d of 500 calls of the other", n)
				break
			}
		}
		last := s.jobs[len(s.jobs)-5:]
		if last[0].principal != 1 || s.batches < 5 {
			t.Errorf("in %d batches, at last %v", s.batches, last)
		}
	})
}

// TestRefusesWhatWouldWait: what can't be carried in time is refused at once, but only to those who
// have much in the queue.
func TestRefusesWhatWouldWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(1, batch.Size{Count: 10, Bytes: 1 << 20}, large)
		o.MaxWait = time.Second
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			time.Sleep(100 * time.Millisecond) // 100 calls in a second
			return ids(jobs)
		})
		ask := func(principal uint64) error {
			return offer(b, job{count: 1, cost: time.Microsecond, principal: principal},
				func(_ int, err error) {
					if err != nil {
						t.Error(err)
					}
				})
		}
		for range 200 { // so that it is known how long batches take
			if err := ask(1); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(1950 * time.Millisecond) // ten of them are left
		taken := 0
		for ; ask(1) == nil; taken++ {
		}
		if taken < 80 || taken > 120 {
			t.Errorf("%d calls were taken, want about 100 that wait and those that leave", taken)
		}
		if err := ask(1); !errors.Is(err, batch.ErrFull) {
			t.Errorf("the next: %v", err)
		}
		if err := ask(2); err != nil {
			t.Errorf("that of another principal: %v", err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestStandingQueue: in an overload that lasts, calls come to wait for as long as MaxStanding only,
// and as many are carried as can be. A burst may wait for as long as MaxWait.
func TestStandingQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perBatch, takes = 10, 10 * time.Millisecond // 1000 calls in a second
		o := options(1, batch.Size{Count: perBatch, Bytes: 1 << 20}, large)
		o.MaxWait, o.MaxStanding = 3*time.Second, 200*time.Millisecond
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			time.Sleep(takes)
			return ids(jobs)
		})
		began := time.Now()
		var carried, refused, late atomic.Int64
		offer := func() {
			asked := time.Now()
			err := offer(b, job{count: 1, cost: time.Microsecond}, func(_ int, err error) {
				carried.Add(1)
				if time.Since(began) > 5*time.Second && time.Since(asked) > 300*time.Millisecond {
					late.Add(1)
				}
			})
			if err != nil {
				refused.Add(1)
			}
		}
		for range 2500 {
			offer()
		}
		if refused.Load() > 0 {
			t.Errorf("%d calls of a burst were refused", refused.Load())
		}
		for time.Since(began) < 10*time.Second { // ten times as many as can be carried
			for range 100 {
				offer()
			}
			time.Sleep(takes)
		}
		if n := carried.Load(); n < 9800 {
			t.Errorf("%d calls were carried of 10000 that could be", n)
		}
		if late.Load() > 0 || refused.Load() == 0 {
			t.Errorf("%d calls were late, %d were refused", late.Load(), refused.Load())
		}
		ended := time.Now()
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := time.Since(ended); after > 300*time.Millisecond {
			t.Errorf("the queue was empty %v after the overload", after)
		}
	})
}

// TestLongBatches: where full batches take long they become smaller, until what waits is carried in
// time, and larger again where they don't.
func TestLongBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		each := 5 * time.Millisecond
		var sizes []int
		b := newBatcher(t.Context(), options(1, batch.Size{Count: 512, Bytes: 1 << 20}, large),
			func(_ context.Context, jobs []job) []int {
				sizes = append(sizes, len(jobs))
				time.Sleep(time.Duration(len(jobs)) * each)
				return ids(jobs)
			})
		carry := func(calls int) {
			sizes = nil
			var all sync.WaitGroup
			all.Add(calls)
			for range calls {
				if err := offer(b, job{count: 1}, func(int, error) { all.Done() }); err != nil {
					t.Fatal(err)
				}
			}
			all.Wait()
		}
		carry(2000) // the first batch has what came by the time that its lane ran
		if n := len(sizes); n < 10 || sizes[n-2] != 64 {
			t.Errorf("batches of %v calls that take %v each", sizes, each)
		}
		each = 10 * time.Microsecond
		carry(4000)
		if n := len(sizes); sizes[n-2] != 512 {
			t.Errorf("batches of %v calls that take %v each", sizes, each)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDearerThanEver: calls that come to cost a hundred times as much as before are not refused for
// that, as long as they don't wait too long.
func TestDearerThanEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, calls = 64, 200
		o := options(1, batch.Size{Count: 20, Bytes: 1 << 20, Cost: 200 * time.Microsecond}, large)
		o.MaxWait = time.Second
		o.Took = func(id int) time.Duration {
			if id%calls < calls/2 {
				return 0
			}
			return time.Millisecond
		}
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			time.Sleep(time.Duration(len(jobs)) * time.Millisecond)
			return ids(jobs)
		})
		var all sync.WaitGroup
		for caller := range callers {
			all.Go(func() {
				for n := range calls {
					j := job{id: caller*calls + n, count: 1, cost: 10 * time.Microsecond}
					if _, err := b.Do(j); err != nil {
						t.Errorf("call %d: %v", n, err)
						return
					}
				}
			})
		}
		all.Wait()
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestForgets: nothing is kept of principals of whom nothing waits and who owe nothing.
func TestForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(2, batch.Size{Count: 10, Bytes: 1 << 20}, large)
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			return ids(jobs)
		})
		for i := range 1000 {
			_, err := b.Do(job{count: 1, cost: time.Microsecond, principal: uint64(i)})
			if err != nil {
				t.Fatal(err)
			}
		}
		if n := b.Principals(); n > 0 {
			t.Error(fmt.Sprint(n, " principals are remembered"))
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAlive: a batch of which there are signs keeps its lane, and one that is silent gives it away.
// What is answered early has its result early.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(1, batch.Size{Count: 2, Bytes: 1 << 20}, large)
		o.SlowAfter, o.ReleaseAfter, o.MaxReleased = 10*time.Millisecond, 200*time.Millisecond, 9
		began := time.Now()
		b := batch.New(t.Context(), o, func(_ context.Context, f *batch.Flight[job, int]) {
			f.Answer(0, f.Calls[0].id)
			for range f.Calls[0].bytes { // stand for how long there are signs
				time.Sleep(100 * time.Millisecond)
				f.Alive()
			}
			time.Sleep(10 * time.Second)
			for i := 1; i < len(f.Calls); i++ {
				f.Answer(i, f.Calls[i].id)
			}
		})
		var mu sync.Mutex
		answered := make(map[int]time.Duration)
		var calls []job
		for i := range 4 {
			calls = append(calls, job{id: i, count: 1})
		}
		calls[0].bytes = 20
		b.Go(calls, func(j job, _ int, err error) {
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			answered[j.id] = time.Since(began)
		})
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		// There are two in a batch, and signs of the first for two seconds.
		next := 2*time.Second + 200*time.Millisecond
		if answered[0] != 0 || answered[2] < next || answered[2] > next+20*time.Millisecond {
			t.Errorf("answered after %v", answered)
		}
	})
}
