package batch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// job is a call of the tests: a number, how large it claims to be, for whom and about what it is.
type job struct {
	id, count, bytes int
	cost             time.Duration
	principal        uint64
	key              string
}

func sizeOf(j job) batch.Size { return batch.Size{Count: j.count, Bytes: j.bytes, Cost: j.cost} }

// options are those of a batcher in whose queue a single principal has all of inQueue.
func options(lanes int, perBatch, inQueue batch.Size) batch.Options[job, int] {
	inQueue.Count *= 2
	inQueue.Bytes *= 2
	return batch.Options[job, int]{
		Lanes: lanes, Batch: perBatch, Queue: inQueue, Of: sizeOf, SlowAfter: time.Hour,
		Principal: func(j job) uint64 { return j.principal },
		Key:       func(j job) string { return j.key },
	}
}

// newBatcher returns a batcher whose calls have their results when the whole batch has run.
func newBatcher(ctx context.Context, o batch.Options[job, int],
	run func(context.Context, []job) []int,
) *batch.Batcher[job, int] {
	return batch.New(ctx, o, func(ctx context.Context, f *batch.Flight[job, int]) {
		for i, r := range run(ctx, f.Calls) {
			f.Answer(i, r)
		}
	})
}

// offer queues a call. It returns why the call was not taken, in which case done isn't called.
func offer(b *batch.Batcher[job, int], j job, done func(int, error)) (refused error) {
	var returned atomic.Bool
	defer returned.Store(true)
	b.Go([]job{j}, func(_ job, r int, err error) {
		if err != nil && !returned.Load() {
			refused = err
			return
		}
		done(r, err)
	})
	return refused
}

var large = batch.Size{Count: 1 << 20, Bytes: 1 << 20}

func ids(jobs []job) []int {
	out := make([]int, len(jobs))
	for i, j := range jobs {
		out[i] = j.id
	}
	return out
}

// TestProperties throws random calls at random bounds and checks the promises: every
// call is answered exactly once and with its own result, no batch and no queue
// exceeds its bound, no more batches than lanes are under way, and calls leave in
// the order in which they came.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.IntRange(1, 6)
		lanes := small.Draw(t, "lanes")
		perBatch := batch.Size{
			Count: small.Draw(t, "batch count"),
			Bytes: rapid.IntRange(1, 40).Draw(t, "batch bytes"),
		}
		inQueue := batch.Size{
			Count: rapid.IntRange(1, 30).Draw(t, "queue count"),
			Bytes: rapid.IntRange(1, 200).Draw(t, "queue bytes"),
		}
		sizes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) batch.Size {
			return batch.Size{
				Count: rapid.IntRange(1, 4).Draw(t, "count"),
				Bytes: rapid.IntRange(0, 50).Draw(t, "bytes"),
			}
		}), 1, 60).Draw(t, "sizes")

		var (
			underWay, mostUnderWay atomic.Int32
			mu                     sync.Mutex
			left                   []int // in the order of leaving; exact with one lane
		)
		b := newBatcher(t.Context(), options(lanes, perBatch, inQueue),
			func(_ context.Context, jobs []job) []int {
				now := underWay.Add(1)
				defer underWay.Add(-1)
				var size batch.Size
				for _, j := range jobs {
					size.Count += j.count
					size.Bytes += j.bytes
				}
				mu.Lock()
				defer mu.Unlock()
				mostUnderWay.Store(max(mostUnderWay.Load(), now))
				left = append(left, ids(jobs)...)
				if len(jobs) > 1 && (size.Count > perBatch.Count || size.Bytes > perBatch.Bytes) {
					t.Errorf("a batch of %+v exceeds %+v", size, perBatch)
				}
				return ids(jobs)
			})

		answers := make([]atomic.Int32, len(sizes))
		var taken []int
		for i, s := range sizes {
			err := offer(b, job{id: i, count: s.Count, bytes: s.Bytes}, func(got int, err error) {
				answers[i].Add(1)
				if err != nil || got != i {
					t.Errorf("call %d was answered %d, %v", i, got, err)
				}
			})
			switch {
			case err == nil:
				taken = append(taken, i)
			case !errors.Is(err, batch.ErrFull):
				t.Fatalf("call %d: %v", i, err)
			}
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range sizes {
			want := int32(0)
			if slices.Contains(taken, i) {
				want = 1
			}
			if got := answers[i].Load(); got != want {
				t.Errorf("call %d was answered %d times, want %d", i, got, want)
			}
		}
		if n := mostUnderWay.Load(); int(n) > lanes {
			t.Errorf("%d batches were under way on %d lanes", n, lanes)
		}
		if lanes == 1 && !slices.Equal(left, taken) {
			t.Errorf("calls left in the order %v, came in %v", left, taken)
		}
	})
}

// TestGathersWhileBusy: the first call leaves alone and at once, those that come
// while it is under way leave together when it is back.
func TestGathersWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		b := newBatcher(t.Context(), options(1, large, large),
			func(_ context.Context, jobs []job) []int {
				batches = append(batches, ids(jobs))
				time.Sleep(time.Second) // of the bubble's clock
				return ids(jobs)
			})
		start := time.Now()
		for i := range 5 {
			if err := offer(b, job{id: i, count: 1}, func(int, error) {}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := [][]int{{0}, {1, 2, 3, 4}}; !slices.EqualFunc(batches, want, slices.Equal) {
			t.Errorf("batches %v, want %v", batches, want)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v: an added delay", took)
		}
	})
}

// TestSharesLoad: a free lane is left free until what waits is its share, so that lanes carry about
// as much as one another; what waits then is taken by the next lane that comes back.
func TestSharesLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		b := newBatcher(t.Context(), options(3, large, large),
			func(_ context.Context, jobs []job) []int {
				batches = append(batches, ids(jobs))
				time.Sleep(time.Second)
				return ids(jobs)
			})
		start := time.Now()
		for i, count := range []int{8, 2, 2, 5, 1} {
			if err := offer(b, job{id: i, count: count}, func(int, error) {}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		// 2 are less than a third of 10; 4 are a third of 12; 5 more are less than a third of 18,
		// and 6 of 18 are one.
		if want := [][]int{{0}, {1, 2}, {3, 4}}; !slices.EqualFunc(batches, want, slices.Equal) {
			t.Errorf("batches %v, want %v", batches, want)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want one trip", took)
		}
	})
}

// TestShareIsNotAll: what waits for its share of the load doesn't wait for batches that are slow,
// nor until the queue is full or a batch more than full.
func TestShareIsNotAll(t *testing.T) {
	for name, c := range map[string]struct {
		second job
		batch  batch.Size
		after  time.Duration
	}{
		"slow":         {job{id: 1, count: 1}, large, 20 * time.Millisecond},
		"half a queue": {job{id: 1, count: 7}, large, 0},
		"a full batch": {job{id: 1, count: 5}, batch.Size{Count: 4, Bytes: 100}, 0},
		"many bytes":   {job{id: 1, count: 1, bytes: 60}, large, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				left := make(chan time.Duration, 2)
				o := options(3, c.batch, batch.Size{Count: 12, Bytes: 100})
				o.SlowAfter = 20 * time.Millisecond
				b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
					left <- time.Since(start)
					time.Sleep(time.Second)
					return ids(jobs)
				})
				for _, j := range []job{{id: 0, count: 100}, c.second} {
					if err := offer(b, j, func(int, error) {}); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				<-left
				if after := <-left; after != c.after {
					t.Errorf("it left after %v, want %v", after, c.after)
				}
				if err := b.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestRefusesWhenFull: a call beyond the bound is refused at once, not parked.
func TestRefusesWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := newBatcher(t.Context(), options(1, large, batch.Size{Count: 2, Bytes: 100}),
			func(_ context.Context, jobs []job) []int {
				<-release
				return ids(jobs)
			})
		try := func(j job) error {
			err := offer(b, j, func(int, error) {})
			synctest.Wait()
			return err
		}
		for i := range 3 { // one under way, two in the queue
			if err := try(job{id: i, count: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if err := try(job{id: 3, count: 1}); !errors.Is(err, batch.ErrFull) {
			t.Errorf("over the count: %v, want ErrFull", err)
		}
		close(release)
		synctest.Wait()
		if err := try(job{id: 4, count: 9, bytes: 900}); err != nil {
			t.Errorf("a call over the bound with an empty queue: %v, want it to travel alone", err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := try(job{}); !errors.Is(err, batch.ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	})
}

// TestCloseGivesUp: when the context of Close ends, runs are cancelled and what
// still waits is answered, so that nobody hangs.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled, cancel := context.WithCancel(t.Context())
		b := newBatcher(cancelled, options(1, large, large),
			func(ctx context.Context, jobs []job) []int {
				<-ctx.Done()
				return ids(jobs)
			})
		cancel() // must not reach the runs
		answers := make(chan error, 3)
		for i := range 3 {
			if err := offer(b, job{id: i, count: 1},
				func(_ int, err error) { answers <- err }); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v, want DeadlineExceeded", err)
		}
		refused := 0
		for range 3 {
			if err := <-answers; errors.Is(err, batch.ErrClosed) {
				refused++
			}
		}
		if refused != 2 {
			t.Errorf("%d calls were refused, want the two that had not left", refused)
		}
	})
}

// TestSetLanes: more lanes take up waiting calls at once, fewer let batches finish.
func TestSetLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var underWay atomic.Int32
		b := newBatcher(t.Context(), options(1, batch.Size{Count: 1, Bytes: 1}, large),
			func(_ context.Context, jobs []job) []int {
				underWay.Add(1)
				<-release
				underWay.Add(-1)
				return ids(jobs)
			})
		for i := range 9 {
			if err := offer(b, job{id: i, count: 1}, func(int, error) {}); err != nil {
				t.Fatal(err)
			}
		}
		for _, lanes := range []int{1, 4} {
			b.SetLanes(lanes)
			synctest.Wait()
			if n := underWay.Load(); int(n) != lanes {
				t.Errorf("%d batches under way on %d lanes", n, lanes)
			}
		}
		b.SetLanes(1)
		for range 4 { // the four under way end; one lane is left
			release <- struct{}{}
		}
		synctest.Wait()
		if n := underWay.Load(); n != 1 {
			t.Errorf("%d batches under way after going back to one lane", n)
		}
		close(release)
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkDo shows the cost of a call through the batcher by the number of callers.
func BenchmarkDo(bench *testing.B) {
	for _, callers := range []int{1, 64} {
		bench.Run(map[int]string{1: "1 caller", 64: "64 callers"}[callers], func(bench *testing.B) {
			b := newBatcher(bench.Context(), options(2, large, large),
				func(_ context.Context, jobs []job) []int { return ids(jobs) })
			bench.ReportAllocs()
			bench.SetParallelism(callers)
			bench.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := b.Do(job{count: 1}); err != nil {
						bench.Fatal(err)
					}
				}
			})
			if err := b.Close(bench.Context()); err != nil {
				bench.Fatal(err)
			}
		})
	}
}
