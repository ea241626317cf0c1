package batch_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/batch"
)

// trips is what of the tests' keys is under way.
type trips struct {
	t rapid.TB

	mu      sync.Mutex
	count   int
	of      map[string]int            // key → the batch that has it
	calls   map[string]int            // key → its calls without an answer
	left    map[string]map[uint64]int // key → principal → the call that left last
	ran     []int                     // how often each call was in a batch
	answers []int                     // how often it was answered
}

// carry answers the calls of a flight one after the other, so that a key may be free again before
// its batch ends.
func (u *trips) carry(_ context.Context, f *batch.Flight[job, int]) {
	u.depart(f.Calls)
	for i, j := range f.Calls {
		for range j.id % 5 {
			runtime.Gosched()
		}
		u.mu.Lock()
		u.calls[j.key]--
		u.mu.Unlock()
		f.Answer(i, j.id)
	}
}

func (u *trips) depart(jobs []job) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count++
	for _, j := range jobs {
		u.ran[j.id]++
		if j.key == "" {
			continue
		}
		if u.calls[j.key] > 0 && u.of[j.key] != u.count {
			u.t.Errorf("call %d left while others of its key were under way", j.id)
		}
		u.of[j.key] = u.count
		u.calls[j.key]++
		left := u.left[j.key]
		if last, ok := left[j.principal]; ok && last > j.id {
			u.t.Errorf("call %d left after %d", j.id, last)
		}
		if left == nil {
			left = make(map[uint64]int)
			u.left[j.key] = left
		}
		left[j.principal] = j.id
	}
}

// TestKeys throws random calls about a few things at a batcher: no two batches under way have a key
// in common, each call is answered once, and those of a principal about a thing leave in order.
func TestKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 80).Draw(t, "calls")
		u := &trips{
			t: t, of: make(map[string]int), calls: make(map[string]int),
			left: make(map[string]map[uint64]int), ran: make([]int, n), answers: make([]int, n),
		}
		o := options(rapid.IntRange(1, 4).Draw(t, "lanes"),
			batch.Size{Count: rapid.IntRange(1, 5).Draw(t, "batch"), Bytes: 1}, large)
		b := batch.New(t.Context(), o, u.carry)
		for i := range n {
			j := job{
				id: i, count: 1, principal: uint64(rapid.IntRange(0, 2).Draw(t, "principal")),
				key: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key"),
			}
			if err := offer(b, j, func(id int, err error) {
				u.mu.Lock()
				defer u.mu.Unlock()
				u.answers[i]++
				if id != i || err != nil {
					t.Errorf("call %d was answered %d, %v", i, id, err)
				}
			}); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "pause") {
				runtime.Gosched()
			}
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		once := slices.Repeat([]int{1}, n)
		if !slices.Equal(u.ran, once) || !slices.Equal(u.answers, once) {
			t.Errorf("the calls were carried %v and answered %v times", u.ran, u.answers)
		}
		if n := b.Principals(); n != 0 {
			t.Errorf("%d principals are remembered", n)
		}
	})
}

// TestHeld: calls of a key that is under way wait beside free lanes, count as what their principal
// has in the queue, and leave together; those that wait when the batcher is closed are refused.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		b := newBatcher(t.Context(), options(3, large, batch.Size{Count: 4, Bytes: 1}),
			func(ctx context.Context, jobs []job) []int {
				batches = append(batches, ids(jobs))
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
				return ids(jobs)
			})
		var answers sync.Map
		ask := func(id int, key string) error {
			err := offer(b, job{id: id, count: 1, key: key}, func(_ int, err error) {
				answers.Store(id, err)
			})
			synctest.Wait()
			return err
		}
		for id, key := range []string{"a", "a", "b", "a", "a", "a"} {
			if err := ask(id, key); err != nil {
				t.Errorf("call %d: %v", id, err)
			}
		}
		if err := ask(6, "a"); !errors.Is(err, batch.ErrFull) {
			t.Errorf("a call that exceeds its principal's part: %v", err)
		}
		time.Sleep(1500 * time.Millisecond)
		if err := ask(7, "a"); err != nil {
			t.Error(err)
		}
		if want := [][]int{{0}, {2}, {1, 3, 4, 5}}; !slices.EqualFunc(batches, want, slices.Equal) {
			t.Errorf("batches %v, want %v", batches, want)
		}
		closed, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Close(closed); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		answer, _ := answers.Load(7)
		if err, _ := answer.(error); !errors.Is(err, batch.ErrClosed) {
			t.Errorf("call 7: %v", answer)
		}
	})
}

// TestHeldExpires: the time of a call runs out while it is held, too.
func TestHeldExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		o := options(2, large, large)
		o.SlowAfter, o.ReleaseAfter = 100*time.Millisecond, time.Hour
		o.Until = func(j job) time.Time { return began.Add(time.Duration(j.id) * time.Second) }
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			time.Sleep(30 * time.Second)
			return ids(jobs)
		})
		var wg sync.WaitGroup
		for _, id := range []int{60, 10} {
			wg.Go(func() {
				_, err := b.Do(job{id: id, count: 1, key: "a"})
				if took := time.Since(began); id == 60 && (err != nil || took != 30*time.Second) ||
					id == 10 && (!errors.Is(err, batch.ErrExpired) || took != 10*time.Second) {
					t.Errorf("call %d: %v after %v", id, err, took)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := b.Principals(); n != 0 {
			t.Errorf("%d principals are remembered", n)
		}
	})
}

// TestHotKey: of one key no more is taken than one lane carries in time, and the calls of other keys
// are taken all the same.
func TestHotKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(3, batch.Size{Count: 10, Bytes: 1 << 20}, large)
		o.MaxWait = time.Second
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			time.Sleep(100 * time.Millisecond) // 100 calls in a second on each lane
			return ids(jobs)
		})
		ask := func(key string) error {
			return offer(b, job{count: 1, cost: time.Microsecond, key: key}, func(_ int, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		for range 600 { // so that it is known how long batches take
			if err := ask(""); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2050 * time.Millisecond)
		taken := 0
		for ; ask("hot") == nil; taken++ {
			if taken == 10 { // they have left before the next come
				time.Sleep(10 * time.Millisecond)
			}
		}
		if taken < 90 || taken > 130 {
			t.Errorf("%d calls of one key were taken, want about 100 that wait and those that leave", taken)
		}
		for _, key := range []string{"", "cold"} {
			if err := ask(key); err != nil {
				t.Errorf("a call with the key %q: %v", key, err)
			}
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
