package load

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// sleepExactly gives the goroutine a thread whose sleeps end within some microseconds. The
// runtime's own timers may be a millisecond late when nothing else happens.
func sleepExactly() (release func()) {
	runtime.LockOSThread()
	const slack = 1_000 // nanoseconds, instead of 50,000
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0)
	return runtime.UnlockOSThread
}

func sleep(d time.Duration) {
	t := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&t, nil) // ended early by a signal: that request is a little early
}
