package process

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	s, err := parseStat(
		"42 (a (strange) name) S 7 42 42 0 -1 4194304 1 2 3 4 100 20 3 1 20 0 1 0 5 6 7",
	)
	if want := (stat{pid: 42, parent: 7, command: "a (strange) name", ticks: 124}); err != nil ||
		s != want {
		t.Errorf("%+v, %v", s, err)
	}
	for _, line := range []string{
		"", "42 (name) S 7",
		"x (name) S 7 42 42 0 -1 4194304 1 2 3 4 100 20 3 1 20", ") (",
	} {
		if s, err := parseStat(line); err == nil {
			t.Errorf("%q: %+v", line, s)
		}
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	all := map[int]stat{
		1: {pid: 1}, 2: {pid: 2, parent: 1}, 3: {pid: 3, parent: 2}, 4: {pid: 4, parent: 2},
		5: {pid: 5, parent: 1},
	}
	sum := 0
	for _, s := range tree(all, 2) {
		sum += s.pid
	}
	if sum != 2+3+4 {
		t.Errorf("%v", tree(all, 2))
	}
}

// TestMeasure: this process uses time and memory, and that shows.
func TestMeasure(t *testing.T) {
	t.Parallel()
	me := []Part{{Name: "test", PID: os.Getpid()}}
	before, err := Measure(me)
	if err != nil {
		t.Skip(err) // no /proc here
	}
	for began := time.Now(); time.Since(began) < 5*tick; {
		continue
	}
	after, err := Measure(me)
	if err != nil || after["test"].CPU <= before["test"].CPU || after["test"].RSS < 1<<20 ||
		after["test"].Peak < after["test"].RSS {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
}
