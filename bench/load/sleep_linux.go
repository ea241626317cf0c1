package load

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// sleepExactly locks the goroutine to a thread whose sleeps are precise to some microseconds. The
// runtime's own timers may be a millisecond late in an idle program.
func sleepExactly() (release func()) {
	runtime.LockOSThread()
	const slack = 1_000 // nanoseconds, instead of 50,000
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0)
	return runtime.UnlockOSThread
}

func sleep(d time.Duration) {
	t := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&t, nil) // a signal that ends it early makes one request early
}
