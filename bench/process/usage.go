package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Part is what is counted under one name: a process with all below it, or of these only those whose
// command has a name.
type Part struct {
	Name    string
	PID     int
	Command string
}

// Usage is what a part has used since it began, and the memory that it has.
type Usage struct {
	CPU  time.Duration
	RSS  int64 // bytes; what processes share is counted for each
	Peak int64 // bytes, summed up over the processes
}

// tick is the unit of CPU times in /proc (USER_HZ, the same on every Linux).
const tick = 10 * time.Millisecond

// Measure returns the usage of the parts, by their names.
func Measure(parts []Part) (map[string]Usage, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	usages := make(map[string]Usage)
	for _, part := range parts {
		u := usages[part.Name]
		for _, s := range tree(all, part.PID) {
			if part.Command != "" && part.Command != s.command {
				continue
			}
			u.CPU += time.Duration(s.ticks) * tick
			rss, peak := memory(s.pid)
			u.RSS += rss
			u.Peak += peak
		}
		usages[part.Name] = u
	}
	return usages, nil
}

// stat is what is of use in /proc/PID/stat.
type stat struct {
	pid, parent int
	command     string
	ticks       int64 // its own, and those of the children that have ended
}

func processes() (map[int]stat, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no processes in /proc: the measurements need Linux")
	}
	all := make(map[int]stat)
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		s, err := parseStat(string(line))
		if err != nil {
			return nil, err
		}
		all[s.pid] = s
	}
	return all, nil
}

// parseStat reads a line like "42 (a name) S 1 …" (proc_pid_stat(5)).
func parseStat(line string) (s stat, err error) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return s, fmt.Errorf("not a line of /proc/PID/stat: %q", line)
	}
	s.command = line[open+1 : end]
	fields := strings.Fields(line[end+1:])
	const parent, utime, cstime = 1, 11, 14 // counted from the state, which is the third field
	if len(fields) <= cstime {
		return s, fmt.Errorf("a short line of /proc/PID/stat: %q", line)
	}
	s.pid, err = strconv.Atoi(strings.TrimSpace(line[:open]))
	if err != nil {
		return s, err
	}
	if s.parent, err = strconv.Atoi(fields[parent]); err != nil {
		return s, err
	}
	for _, field := range fields[utime : cstime+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return s, err
		}
		s.ticks += n
	}
	return s, nil
}

// tree returns a process and all that descend from it.
func tree(all map[int]stat, root int) []stat {
	found := []stat{all[root]}
	for i := 0; i < len(found); i++ {
		for _, s := range all {
			if s.parent == found[i].pid && s.pid != root {
				found = append(found, s)
			}
		}
	}
	return found
}

// memory returns the resident memory of a process, now and at most.
func memory(pid int) (rss, peak int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	return kilobytes(status, "VmRSS:"), kilobytes(status, "VmHWM:")
}

func kilobytes(status []byte, name string) int64 {
	_, rest, _ := bytes.Cut(status, []byte(name))
	value, _, _ := bytes.Cut(rest, []byte("kB"))
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
	return n << 10
}
