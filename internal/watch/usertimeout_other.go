//go:build !linux

package watch

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing: this system has no such timeout, or calls it something else.
func setUserTimeout(syscall.RawConn, time.Duration) {}
