package batch_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/batch"
)

// stopped is a batcher whose batches end when they are told to.
type stopped struct {
	*batch.Batcher[job, int]

	t testing.TB

	mu      sync.Mutex
	began   [][]job
	release chan struct{}
}

func stop(t testing.TB, o batch.Options[job, int]) *stopped {
	t.Helper()
	s := &stopped{t: t, release: make(chan struct{})}
	s.Batcher = newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
		s.mu.Lock()
		s.began = append(s.began, slices.Clone(jobs))
		s.mu.Unlock()
		<-s.release
		return ids(jobs)
	})
	return s
}

// offers queues calls, and returns the batches that leave then.
func (s *stopped) offers(n int, j job) [][]job {
	s.t.Helper()
	s.mu.Lock()
	before := len(s.began)
	s.mu.Unlock()
	for range n {
		if err := offer(s.Batcher, j, func(int, error) {}); err != nil {
			s.t.Fatal(err)
		}
	}
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.began[before:]
}

// end lets all batches end, and closes the batcher.
func (s *stopped) end() {
	s.t.Helper()
	close(s.release)
	if err := s.Close(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

const lanesOfBulk = 3

func bulkOptions() batch.Options[job, int] {
	o := options(lanesOfBulk, batch.Size{Count: 100, Bytes: 1 << 20, Cost: 10 * time.Millisecond}, large)
	o.Spare = 1
	return o
}

// dear is a call of somebody who asks for much, and cheap one of another.
var (
	dear  = job{count: 1, cost: time.Millisecond, principal: 1}
	cheap = job{count: 1, cost: 20 * time.Microsecond, principal: 2}
)

// TestGuestsLeaveAtOnce: one principal has all lanes and a queue. The first call of another leaves
// at once, beside these, and nothing dear is with it.
func TestGuestsLeaveAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stop(t, bulkOptions())
		if n := len(s.offers(200, dear)); n != lanesOfBulk {
			t.Errorf("%d batches of one principal are under way, want %d", n, lanesOfBulk)
		}
		for range 2 { // the second has the lane that the first gives back
			left := s.offers(1, cheap)
			if len(left) != 1 || !slices.Equal(left[0], []job{cheap}) {
				t.Fatalf("beside %d batches left %v", lanesOfBulk, left)
			}
			s.release <- struct{}{} // the receiver may be any batch
			s.release <- struct{}{}
			s.release <- struct{}{}
			s.release <- struct{}{}
			synctest.Wait()
		}
		s.end()
	})
}

// TestDearBulkHasFewerLanesInCompany: one who has been alone for long has all lanes. When somebody
// else comes, dear bulk gets no lane but the ones that it may have then; bulk of cheap calls has all
// of them still; and in the end all is carried.
func TestDearBulkHasFewerLanesInCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := bulkOptions()
		o.DearLanes = 1
		s := stop(t, o)
		alone := func() {
			t.Helper()
			s.offers(1, dear)
			time.Sleep(2 * time.Second)
			s.offers(1000, dear)
			if n := s.Stats().Busy; n != lanesOfBulk {
				t.Errorf("%d batches of one who is alone are under way, want %d", n, lanesOfBulk)
			}
		}
		alone()
		if n := len(s.offers(1, cheap)); n != 1 {
			t.Errorf("%d batches left for a guest", n)
		}
		for range lanesOfBulk + 1 {
			s.release <- struct{}{}
		}
		synctest.Wait()
		if n := s.Stats().Busy; n != 1 {
			t.Errorf("%d batches are under way in company, want 1", n)
		}
		if left := s.offers(1, cheap); len(left) != 1 || left[0][0] != cheap {
			t.Errorf("beside it left %v", left)
		}
		s.release <- struct{}{}
		s.release <- struct{}{}
		alone()
		s.end()

		s = stop(t, o)
		s.offers(1, cheap)
		s.offers(1000, job{count: 1, cost: cheap.cost, principal: 3})
		if n := s.Stats().Busy; n != lanesOfBulk {
			t.Errorf("%d batches of cheap calls are under way in company, want %d", n, lanesOfBulk)
		}
		s.end()

		s = stop(t, o)
		if n := len(s.offers(1000, dear)); n != 1 {
			t.Errorf("%d batches of dear calls are under way in company, want 1", n)
		}
		s.offers(1000, job{count: 1, cost: cheap.cost, principal: 3})
		if n := s.Stats().Busy; n < lanesOfBulk {
			t.Errorf("%d batches are under way of dear and cheap calls, want %d", n, lanesOfBulk)
		}
		s.end()
	})
}

// TestGuestsAreNoBulk: with many principals who ask for little there are no more batches than
// lanes, so that these are as large as before.
func TestGuestsAreNoBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stop(t, bulkOptions())
		batches := 0
		for p := range uint64(200) {
			batches += len(s.offers(1, job{count: 1, cost: cheap.cost, principal: p}))
		}
		if batches != lanesOfBulk {
			t.Errorf("%d batches are under way, want %d", batches, lanesOfBulk)
		}
		s.end()
	})
}

// TestCostOfBatchesInCompany: a batch of one who was alone costs as much as it may have calls, and
// for a second after somebody else has come no more than the bound.
func TestCostOfBatchesInCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := bulkOptions()
		o.Lanes, o.Spare = 1, 0
		s := stop(t, o)
		next := func() {
			s.release <- struct{}{}
			synctest.Wait()
		}
		calls := func() int { // of the batch that follows one of a single call
			s.offers(1, dear)
			s.offers(100, dear)
			before := len(s.began)
			next()
			n := len(s.began[before])
			for s.Stats().Busy > 0 {
				next()
			}
			return n
		}
		s.offers(1, dear)
		next()
		time.Sleep(2 * time.Second)
		if n := calls(); n != 100 {
			t.Errorf("alone: a batch of %d calls, want 100", n)
		}
		s.offers(1, cheap)
		next()
		if n := calls(); n != 10 {
			t.Errorf("after another: a batch of %d calls, want 10", n)
		}
		s.end()
	})
}

// TestBulkProperties throws random calls at a batcher with a spare lane. All calls have their
// results, there are never more batches than lanes, and in the end nobody is remembered.
func TestBulkProperties(t *testing.T) {
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.IntRange(1, 4).Draw(t, "lanes")
		o := options(lanes, batch.Size{Count: 20, Bytes: 1 << 20, Cost: 2 * time.Millisecond}, large)
		o.Spare = rapid.IntRange(0, 2).Draw(t, "spare")
		var mu sync.Mutex
		underWay := 0
		b := newBatcher(ctx, o, func(_ context.Context, jobs []job) []int {
			mu.Lock()
			defer mu.Unlock()
			if underWay++; underWay > lanes+o.Spare {
				t.Errorf("%d batches on %d lanes and %d spare ones", underWay, lanes, o.Spare)
			}
			mu.Unlock()
			runtime.Gosched()
			mu.Lock()
			underWay--
			return ids(jobs)
		})
		n := rapid.IntRange(1, 500).Draw(t, "calls")
		var all sync.WaitGroup
		all.Add(n)
		for i := range n {
			j := job{
				id: i, count: 1, cost: time.Duration(rapid.IntRange(1, 2000).Draw(t, "cost")) * time.Microsecond,
				principal: rapid.Uint64Range(1, 3).Draw(t, "principal"),
			}
			if rapid.Bool().Draw(t, "keyed") {
				j.key = "key"
			}
			if err := offer(b, j, func(r int, err error) {
				if r != i || err != nil {
					t.Errorf("call %d: %d, %v", i, r, err)
				}
				all.Done()
			}); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		all.Wait()
		if err := b.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if p := b.Principals(); p > 0 {
			t.Errorf("%d principals are remembered", p)
		}
	})
}
