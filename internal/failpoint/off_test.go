//go:build !failpoint

package failpoint_test

import (
	"testing"

	"github.com/outset-settings/outset/internal/failpoint"
)

// TestOff: a program without the tag can't be told to, whatever its environment says.
func TestOff(t *testing.T) {
	t.Setenv("OUTSET_FAILPOINTS", "worker/reply-lost=1")
	if failpoint.Hit("worker/reply-lost") {
		t.Error("hit")
	}
}
