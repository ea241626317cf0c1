package compute_test

import (
	"runtime"
	"testing"

	"github.com/outset-settings/outset/internal/compute"
)

// TestLongLeavesOneProcessor: of many long computations all but one processor's worth wait, what is
// short doesn't, and in the end all have run.
func TestLongLeavesOneProcessor(t *testing.T) {
	const all = 64
	most := max(runtime.GOMAXPROCS(0)-1, 1)
	started, release, done := make(chan struct{}, all), make(chan struct{}), make(chan struct{}, all)
	for range all {
		go func() {
			compute.Over(1<<20, func() {
				started <- struct{}{}
				<-release
			})
			done <- struct{}{}
		}()
	}
	for range most {
		<-started
	}
	short := false
	compute.Over(100, func() { short = true })
	if !short {
		t.Error("what is short did not run")
	}
	if n := len(started); n > 0 {
		t.Errorf("%d more run than %d", n, most)
	}
	close(release)
	for range all {
		<-done
	}
	if n := len(started); n != all-most {
		t.Errorf("%d have run, not %d", n+most, all)
	}
}

// TestPanicGivesItsPlaceBack: one that panics is not there for ever.
func TestPanicGivesItsPlaceBack(t *testing.T) {
	for range runtime.GOMAXPROCS(0) + 1 {
		func() {
			defer func() { _ = recover() }()
			compute.Long(func() { panic("planted") })
		}()
	}
	compute.Long(func() {})
}
