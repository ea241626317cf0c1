//go:build unix && !linux

package localpg_test

import "syscall"

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// quitPending cannot be asked here; the server then gets its signals in whatever order.
func quitPending(int) bool { return true }
