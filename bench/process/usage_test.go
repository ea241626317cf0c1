package process

import (
	"os"
	"testing"

	"github.com/prometheus/procfs"
)

func TestTree(t *testing.T) {
	t.Parallel()
	all := map[int]procfs.ProcStat{
		1: {PID: 1}, 2: {PID: 2, PPID: 1}, 3: {PID: 3, PPID: 2}, 4: {PID: 4, PPID: 2},
		5: {PID: 5, PPID: 1},
	}
	sum := 0
	for _, s := range tree(all, 2) {
		sum += s.PID
	}
	if sum != 2+3+4 {
		t.Errorf("%v", tree(all, 2))
	}
}

// TestMeasure: this process uses CPU time and memory, and both show.
func TestMeasure(t *testing.T) {
	t.Parallel()
	me := []Part{{Name: "test", PID: os.Getpid()}}
	before, err := Measure(me)
	if err != nil {
		t.Skip(err) // no /proc here
	}
	after := before
	for after["test"].CPU < before["test"].CPU+2*tick {
		if after, err = Measure(me); err != nil {
			t.Fatal(err)
		}
	}
	if after["test"].RSS < 1<<20 {
		t.Errorf("%+v", after)
	}
}
