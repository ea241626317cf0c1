// Package testwait lets tests wait for a condition instead of a time.
package testwait

import (
	"testing"
	"time"
)

// Until returns once condition is true, which it asks every millisecond. If it doesn't become true
// within that time, which only a failure takes, the test ends.
func Until(t testing.TB, within time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain waited until", what)
		}
	}
}
