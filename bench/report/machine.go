package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Machine is where it was measured.
type Machine struct {
	CPU    string        `json:"cpu"`
	Cores  int           `json:"cores"`
	Memory string        `json:"memory"`
	Kernel string        `json:"kernel"`
	Load   string        `json:"load"` // before the first run
	Sync   time.Duration `json:"sync"` // of 8 KiB to the disk that has the data
}

// String is one sentence.
func (m Machine) String() string {
	return fmt.Sprintf("Machine: %s, %d cores, %s of memory, Linux %s; load before the first run %s; "+
		"writing 8 KiB durably takes %v.", m.CPU, m.Cores, m.Memory, m.Kernel, m.Load,
		m.Sync.Round(time.Microsecond))
}

// ThisMachine describes the machine, with the disk that has the directory.
func ThisMachine(dir string) (Machine, error) {
	m := Machine{
		CPU: "unknown CPU", Cores: runtime.NumCPU(), Memory: "unknown", Kernel: "unknown",
		Load: "unknown",
	}
	for line := range lines("/proc/cpuinfo") {
		if name, value, ok := strings.Cut(line, ":"); ok &&
			strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
		}
	}
	for line := range lines("/proc/meminfo") {
		var kb int64
		if _, err := fmt.Sscanf(line, "MemTotal: %d kB", &kb); err == nil {
			m.Memory = fmt.Sprintf("%d GiB", (kb+1<<19)>>20)
		}
	}
	for line := range lines("/proc/sys/kernel/osrelease") {
		m.Kernel = line
		break
	}
	for line := range lines("/proc/loadavg") {
		m.Load, _, _ = strings.Cut(line, " ")
	}
	var err error
	m.Sync, err = syncTime(dir)
	return m, err
}

// lines are those of a file; none when it can't be read.
func lines(file string) func(func(string) bool) {
	data, _ := os.ReadFile(file)
	return func(yield func(string) bool) {
		for line := range bytes.Lines(data) {
			if !yield(strings.TrimSuffix(string(line), "\n")) {
				return
			}
		}
	}
}

// syncTime returns the median time of a write with fsync: what a commit takes at least.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer func() { _, _ = f.Close(), os.Remove(f.Name()) }()
	var took []time.Duration
	for range 101 {
		began := time.Now()
		if _, err := f.WriteAt(make([]byte, 8<<10), 0); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
