//go:build !linux

package load

import "time"

func sleepExactly() (release func()) { return func() {} }

func sleep(d time.Duration) { time.Sleep(d) }
