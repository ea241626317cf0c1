package compute

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLongOnesWait: of many long computations all but one processor's worth wait, and in the end all
// have run. With a single processor one runs.
func TestLongOnesWait(t *testing.T) {
	t.Parallel()
	for processors, most := range map[int]int64{1: 1, 2: 1, 4: 3} {
		synctest.Test(t, func(t *testing.T) {
			g := newPlaces(processors)
			const all = 64
			var running, ended atomic.Int64
			release := make(chan struct{})
			for range all {
				go func() {
					g.run(func() {
						running.Add(1)
						<-release
					})
					ended.Add(1)
				}()
			}
			synctest.Wait()
			if n := running.Load(); n != most {
				t.Errorf("%d processors: %d run, not %d", processors, n, most)
			}
			close(release)
			synctest.Wait()
			if n := ended.Load(); n != all {
				t.Errorf("%d processors: %d have run, not %d", processors, n, all)
			}
		})
	}
}

// TestShortOnesDoNotWait: what is short runs although as many long ones do as may.
func TestShortOnesDoNotWait(t *testing.T) {
	release := make(chan struct{})
	started, ended := make(chan struct{}), make(chan struct{})
	most := cap(gate())
	for range most {
		go func() {
			Over(LongBytes, func() {
				started <- struct{}{}
				<-release
			})
			ended <- struct{}{}
		}()
	}
	for range most {
		<-started
	}
	Over(LongBytes-1, func() { close(release) })
	for range most {
		<-ended
	}
}

// TestPanicGivesItsPlaceBack: one that panics is not there for ever.
func TestPanicGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	g := newPlaces(2)
	func() {
		defer func() { _ = recover() }()
		g.run(func() { panic("planted") })
	}()
	ran := false
	g.run(func() { ran = true })
	if !ran {
		t.Error("it has kept its place")
	}
}

// TestProcessorsAreLent: while there are long computations, and for a moment longer, there are more
// processors, and their number is changed as seldom as that allows.
func TestProcessorsAreLent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var processors, changes atomic.Int64
		l := loan{own: func() int { return 1 }, set: func(n int) {
			processors.Store(int64(n))
			changes.Add(1)
		}}
		expect := func(when string, wantProcessors, wantChanges int64) {
			t.Helper()
			synctest.Wait()
			if p, c := processors.Load(), changes.Load(); p != wantProcessors || c != wantChanges {
				t.Errorf("%s there are %d processors, after %d changes", when, p, c)
			}
		}
		for range 3 {
			l.run(func() {
				l.run(func() {})
				time.Sleep(5 * lentFor)
				expect("during a long computation", 1+moreProcessors, 1)
			})
			time.Sleep(lentFor / 2)
		}
		expect("soon after it", 1+moreProcessors, 1)
		func() {
			defer func() { _ = recover() }()
			l.run(func() { panic("planted") })
		}()
		time.Sleep(lentFor + lentFor/5)
		expect("later", 1, 2)
		l.run(func() {})
		expect("after another one", 1+moreProcessors, 3)
		time.Sleep(2 * lentFor)
		expect("at the end", 1, 4)
	})
}
