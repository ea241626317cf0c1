package batch_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outset-settings/outset/internal/batch"
)

// TestExpires: a call whose time runs out in the queue never runs, and one whose time runs out on
// its way is told apart from it.
func TestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran []int
		began := time.Now()
		o := options(1, large, large)
		o.SlowAfter, o.ReleaseAfter = 100*time.Millisecond, 400*time.Millisecond
		o.Until = func(j job) time.Time {
			return began.Add(time.Duration(j.bytes) * time.Second)
		}
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			ran = append(ran, ids(jobs)...)
			time.Sleep(time.Minute)
			return ids(jobs)
		})
		var wg sync.WaitGroup
		for i, want := range []struct {
			bytes int // stand for the seconds that it has
			err   error
			after time.Duration
		}{
			{100, nil, time.Minute},
			{1, batch.ErrExpired, time.Second},
			{1, batch.ErrExpired, time.Second},
			{61, batch.ErrLost, 61*time.Second + 500*time.Millisecond},
		} {
			wg.Go(func() {
				_, err := b.Do(job{id: i, count: 1, bytes: want.bytes})
				if took := time.Since(began); !errors.Is(err, want.err) || took != want.after {
					t.Errorf("call %d: %v after %v, want %v after %v", i, err, took, want.err,
						want.after)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ran, []int{0, 3}) {
			t.Errorf("ran %v, want the first and the last", ran)
		}
	})
}

// TestOwnResults: callers that call again and again, while batches take shorter and longer than
// calls have, get the results of their own calls or are told that these were given up.
func TestOwnResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		draw := rand.New(rand.NewPCG(1, 2))
		o := options(2, batch.Size{Count: 8, Bytes: 1 << 20}, large)
		o.SlowAfter, o.ReleaseAfter, o.MaxReleased = 10*time.Millisecond, 40*time.Millisecond, 3
		start := time.Now()
		o.Until = func(j job) time.Time {
			return start.Add(time.Duration(j.bytes) * time.Millisecond)
		}
		var mu sync.Mutex
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			mu.Lock()
			takes := time.Duration(draw.IntN(120)) * time.Millisecond
			mu.Unlock()
			time.Sleep(takes)
			return ids(jobs)
		})
		var answered, expired, lost atomic.Int32
		var callers sync.WaitGroup
		for caller := range 40 {
			callers.Go(func() {
				for n := range 50 {
					id := caller*1000 + n
					got, err := b.Do(job{
						id: id, count: 1, bytes: int(time.Since(start).Milliseconds()) + 60,
					})
					switch {
					case err == nil && got == id:
						answered.Add(1)
					case errors.Is(err, batch.ErrExpired):
						expired.Add(1)
					case errors.Is(err, batch.ErrLost):
						lost.Add(1)
					default:
						t.Errorf("call %d was answered %d, %v", id, got, err)
					}
				}
			})
		}
		callers.Wait()
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if answered.Load() == 0 || expired.Load() == 0 || lost.Load() == 0 {
			t.Errorf("%d were answered, %d expired, %d were lost: not what this test is for",
				answered.Load(), expired.Load(), lost.Load())
		}
	})
}

// TestReleasesLane: a batch that takes too long gives its lane away, up to MaxReleased batches;
// Close waits for all of them.
func TestReleasesLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		started := make(chan time.Duration, 5)
		o := options(1, batch.Size{Count: 1, Bytes: 1}, large)
		o.SlowAfter, o.ReleaseAfter, o.MaxReleased = 250*time.Millisecond, time.Second, 2
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			started <- time.Since(start)
			time.Sleep(10*time.Second + 100*time.Millisecond)
			return ids(jobs)
		})
		var answered atomic.Int32
		for i := range 5 {
			if err := offer(b, job{id: i, count: 1}, func(int, error) { answered.Add(1) }); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Two are released; the third keeps the lane until one of these has ended.
		for _, want := range []float64{0, 1, 2, 10.25, 11.25} {
			if at := <-started; at.Seconds() != want {
				t.Errorf("a batch left after %v, want %v s", at, want)
			}
		}
		if n := answered.Load(); n != 5 {
			t.Errorf("%d answers, want 5", n)
		}
	})
}

// TestReleasesStuckLane: batches of which only a few calls are left give their lanes away although
// there are signs of them, as long as these are no more than MaxStuck together.
func TestReleasesStuckLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stuck = 10 * time.Second
		o := options(1, batch.Size{Count: 4, Bytes: 1 << 20}, large)
		o.SlowAfter, o.ReleaseAfter, o.MaxReleased = 50*time.Millisecond, 250*time.Millisecond, 9
		o.MaxStuck = 3
		start := time.Now()
		b := batch.New(t.Context(), o, func(_ context.Context, f *batch.Flight[job, int]) {
			// The bytes of its first call stand for how many calls are stuck.
			left := f.Calls[0].bytes
			for i := left; i < len(f.Calls); i++ {
				f.Answer(i, 0)
			}
			for began := time.Now(); left > 0 && time.Since(began) < stuck; {
				time.Sleep(100 * time.Millisecond)
				f.Alive()
			}
			for i := range left {
				f.Answer(i, 0)
			}
		})
		answered := make(map[int]time.Duration)
		var (
			mu   sync.Mutex
			jobs []job
		)
		for i, n := range []int{2, 1, 1, 0} { // batches
			for c := range 4 {
				jobs = append(jobs, job{id: 10*i + c, count: 1, bytes: n})
			}
		}
		b.Go(jobs, func(j job, _ int, err error) {
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			answered[j.id] = time.Since(start)
		})
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The first two are released. The third would be one call too many, so it keeps the lane
		// until the first has ended.
		for id, want := range map[int]time.Duration{
			1: stuck, 3: 0, 10: 250*time.Millisecond + stuck, 13: 250 * time.Millisecond,
			20: 500*time.Millisecond + stuck, 23: 500 * time.Millisecond, 33: stuck,
		} {
			if got := answered[id]; (got - want).Abs() > 100*time.Millisecond {
				t.Errorf("call %d was answered after %v, want %v", id, got, want)
			}
		}
	})
}

// TestCallerOfLane: a caller who opens a lane has the answer as soon as there is one, however long
// the others of the batch take.
func TestCallerOfLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stuck = time.Minute
		b := batch.New(t.Context(), options(2, large, large),
			func(_ context.Context, f *batch.Flight[job, int]) {
				for i := len(f.Calls) - 1; i >= 0; i-- {
					if i == 0 {
						time.Sleep(stuck)
					}
					f.Answer(i, len(f.Calls))
				}
			})
		var callers sync.WaitGroup
		for id, count := range []int{4, 1, 1, 1, 1} { // the last opens the second lane
			callers.Go(func() {
				start := time.Now()
				with, err := b.Do(job{id: id, count: count})
				if took := time.Since(start); err != nil || (took > 0) != (id < 2) ||
					with != min(4, 1+3*id) {
					t.Errorf("call %d: %v after %v, of %d calls", id, err, took, with)
				}
			})
			synctest.Wait()
		}
		callers.Wait()
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
