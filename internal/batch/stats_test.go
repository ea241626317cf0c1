package batch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outset-settings/outset/internal/batch"
)

// TestStats: what the figures say of a batcher with two lanes, whose batches of one call take a
// minute each. One call waits for another with its key.
func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(2, batch.Size{Count: 1, Bytes: 1 << 20}, batch.Size{Count: 3, Bytes: 1 << 20})
		var mu sync.Mutex
		waited := make(map[int]time.Duration)
		b := batch.New(t.Context(), o, func(_ context.Context, f *batch.Flight[job, int]) {
			time.Sleep(time.Minute)
			id := f.Calls[0].id
			f.Answer(0, id)
			mu.Lock()
			defer mu.Unlock()
			waited[id] = f.Waited(0)
		})
		want := func(when string, want batch.Stats) {
			t.Helper()
			synctest.Wait()
			if got := b.Stats(); got != want {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		call := func(id int, key string) {
			t.Helper()
			if err := offer(b, job{id: id, count: 1, key: key}, func(int, error) {}); err != nil {
				t.Errorf("call %d: %v", id, err)
			}
			synctest.Wait()
		}
		want("nothing has come", batch.Stats{Lanes: 2})
		call(1, "a")
		call(2, "")
		time.Sleep(10 * time.Second)
		want("two are under way", batch.Stats{Lanes: 2, Busy: 2, BusyTime: 20 * time.Second})
		call(3, "a")
		time.Sleep(10 * time.Second)
		call(4, "")
		call(5, "")
		for id := 6; ; id++ { // until the queue is full
			err := offer(b, job{id: id, count: 1}, func(int, error) {})
			if errors.Is(err, batch.ErrFull) {
				break
			}
		}
		waiting := b.Stats().Waiting
		want("three and more wait", batch.Stats{
			Lanes: 2, Busy: 2, BusyTime: 40 * time.Second, Waiting: waiting, Oldest: 10 * time.Second,
			Refused: 1,
		})
		if waiting < 3 {
			t.Errorf("%d wait", waiting)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		done := b.Stats()
		if all := time.Duration(waiting+2) * time.Minute; done.BusyTime != all {
			t.Errorf("lanes were busy for %v, want %v", done.BusyTime, all)
		}
		mu.Lock()
		defer mu.Unlock()
		calls := waiting + 2
		final := batch.Stats{
			Lanes: 2, Refused: 1, BusyTime: done.BusyTime, Batches: uint64(calls),
			Calls: uint64(calls), Carried: time.Duration(calls) * time.Minute,
		}
		for _, w := range waited {
			final.Waited += w
		}
		if done != final {
			t.Errorf("at the end: %+v, want %+v", done, final)
		}
		for id, want := range map[int]time.Duration{
			1: 0, 2: 0, 3: 50 * time.Second, 4: 40 * time.Second,
		} {
			if waited[id] != want {
				t.Errorf("call %d waited %v, want %v", id, waited[id], want)
			}
		}
	})
}

// TestStatsOfHeld: the oldest call counts also where it waits for another with its key.
func TestStatsOfHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(t.Context(), options(1, large, large),
			func(_ context.Context, jobs []job) []int {
				time.Sleep(time.Minute)
				return ids(jobs)
			})
		for id, key := range []string{"a", "a", ""} {
			if err := offer(b, job{id: id, count: 1, key: key}, func(int, error) {}); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
		if got := b.Stats(); got.Waiting != 2 || got.Oldest != 2*time.Second {
			t.Errorf("%+v, want two that wait, the first for 2 s", got)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestBusyTimeOfReleased: a lane that was given up isn't busy any more, and its batch no reason for
// the figure to shrink.
func TestBusyTimeOfReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(1, large, large)
		o.SlowAfter, o.ReleaseAfter, o.MaxReleased = time.Second, 10*time.Second, 1
		b := newBatcher(t.Context(), o, func(_ context.Context, jobs []job) []int {
			time.Sleep(time.Minute)
			return ids(jobs)
		})
		if err := offer(b, job{count: 1}, func(int, error) {}); err != nil {
			t.Error(err)
		}
		for _, want := range []batch.Stats{
			{Lanes: 1, Busy: 1, BusyTime: 5 * time.Second},
			{Lanes: 1, BusyTime: 10 * time.Second},
			{Lanes: 1, BusyTime: 10 * time.Second},
		} {
			if time.Sleep(5 * time.Second); want.Busy == 0 {
				time.Sleep(10 * time.Second)
			}
			if got := b.Stats(); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkStats(bench *testing.B) {
	for _, principals := range []uint64{1, 1000} {
		bench.Run(fmt.Sprint(principals, " principals"), func(bench *testing.B) {
			gate := make(chan struct{})
			b := newBatcher(bench.Context(), options(1, large, large),
				func(_ context.Context, jobs []job) []int {
					<-gate
					return ids(jobs)
				})
			for i := range principals + 1 {
				if err := offer(b, job{count: 1, principal: i}, func(int, error) {}); err != nil {
					bench.Fatal(err)
				}
			}
			for bench.Loop() {
				b.Stats()
			}
			close(gate)
			if err := b.Close(context.Background()); err != nil {
				bench.Fatal(err)
			}
		})
	}
}
