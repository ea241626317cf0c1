//go:build !linux

package watch

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing: this system has no such time, or another name for it.
func setUserTimeout(syscall.RawConn, time.Duration) {}
