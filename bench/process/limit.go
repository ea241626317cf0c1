package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/procfs"
)

// limitPeriod is how often a limited part gets its time, as Docker's --cpus has it.
const limitPeriod = 100 * time.Millisecond

// Limit gives the parts together this many processors, from now on and until undo is called. It
// needs a Linux whose control groups it may write (of either version), so it mostly needs root.
func Limit(parts []Part, processors float64) (undo func() error, err error) {
	name := fmt.Sprint("outset-bench-", os.Getpid())
	quota := int64(processors * float64(limitPeriod.Microseconds()))
	all, period := "/sys/fs/cgroup", limitPeriod.Microseconds()
	settings := map[string]string{"cpu.max": fmt.Sprint(quota, " ", period)}
	if _, err := os.Stat(filepath.Join(all, "cgroup.controllers")); errors.Is(err, fs.ErrNotExist) {
		all = filepath.Join(all, "cpu")
		settings = map[string]string{
			"cpu.cfs_period_us": fmt.Sprint(period), "cpu.cfs_quota_us": fmt.Sprint(quota),
		}
	}
	group := filepath.Join(all, name)
	if err := os.Mkdir(group, 0o755); err != nil {
		return nil, err
	}
	undo = func() error { return errors.Join(move(parts, all), os.Remove(group)) }
	for file, value := range settings {
		if err := os.WriteFile(filepath.Join(group, file), []byte(value), 0o644); err != nil {
			return nil, errors.Join(err, undo())
		}
	}
	if err := move(parts, group); err != nil {
		return nil, errors.Join(err, undo())
	}
	return undo, nil
}

// move moves the parts' processes to a control group. Those that they start later are in it, too.
func move(parts []Part, group string) error {
	processes, err := procfs.AllProcs()
	if err != nil {
		return err
	}
	all := stats(processes)
	var failed error
	for _, part := range parts {
		for _, s := range tree(all, part.PID) {
			err := os.WriteFile(filepath.Join(group, "cgroup.procs"),
				[]byte(strconv.Itoa(s.PID)), 0o644)
			if _, gone := os.Stat(fmt.Sprint("/proc/", s.PID)); gone == nil {
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}
