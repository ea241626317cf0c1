//go:build unix

package program

import (
	"syscall"
	"time"
)

// processorTime is what the program has used of all processors, in its own code and the kernel's.
func processorTime() (used time.Duration, ok bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
