package process

import (
	"time"

	"github.com/prometheus/procfs"
)

// Part is what is counted under one name: a process and its descendants.
type Part struct {
	Name string
	PID  int
}

// Usage is the CPU time that a part has used since it began, and its resident memory.
type Usage struct {
	CPU time.Duration // with that of children that have ended
	RSS int64         // bytes; memory that processes share counts for each of them
}

// tick is the unit of CPU times in /proc (USER_HZ, the same on every Linux).
const tick = 10 * time.Millisecond

// Measure returns the usage of the parts, by their names.
func Measure(parts []Part) (map[string]Usage, error) {
	processes, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	all := stats(processes)
	usages := make(map[string]Usage)
	for _, part := range parts {
		u := usages[part.Name]
		for _, s := range tree(all, part.PID) {
			ticks := int(s.UTime) + int(s.STime) + s.CUTime + s.CSTime
			u.CPU += time.Duration(ticks) * tick
			u.RSS += int64(s.ResidentMemory())
		}
		usages[part.Name] = u
	}
	return usages, nil
}

// stats returns what is known of processes, by their ids.
func stats(processes procfs.Procs) map[int]procfs.ProcStat {
	all := make(map[int]procfs.ProcStat)
	for _, p := range processes {
		if s, err := p.Stat(); err == nil { // else the process has just ended
			all[p.PID] = s
		}
	}
	return all
}

// tree returns a process and its descendants.
func tree(all map[int]procfs.ProcStat, root int) []procfs.ProcStat {
	found := []procfs.ProcStat{all[root]}
	for i := 0; i < len(found); i++ {
		for _, s := range all {
			if s.PPID == found[i].PID && s.PID != root {
				found = append(found, s)
			}
		}
	}
	return found
}
