package compute

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestLongOnesWait: of many long computations all but one processor's worth wait, and in the end all
// have run. With a single processor one runs.
func TestLongOnesWait(t *testing.T) {
	t.Parallel()
	for processors, most := range map[int]int64{1: 1, 2: 1, 4: 3} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate(processors)
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
	most := cap(processors())
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
	g := newGate(2)
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
