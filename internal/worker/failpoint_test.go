//go:build failpoint

package worker_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/failpoint"
	"github.com/outset-settings/outset/internal/testlog"
)

// TestReplyLost: a write whose reply is lost was applied, and sending it again tells so. It runs
// itself once more, since the variable is read when a program starts.
func TestReplyLost(t *testing.T) { // alone: others would get the fault
	if os.Getenv(failpoint.Variable) == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestReplyLost$", "-test.timeout=5m")
		c.Env = append(os.Environ(), failpoint.Variable+"=worker/reply-lost=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	nc := connect(t)
	var log testlog.Buffer
	startLogging(t, nc, open(t), config, log.Logger())
	if r := do(t, nc, read("ann")); r.Version != 0 { // a read is answered
		t.Fatalf("%+v", r)
	}
	o := replace("ann", "1", `{"n":1}`)
	reply := send(t, nc, o)
	eventually(t, "the reply is lost", func() bool {
		return strings.Contains(log.String(), "lost on purpose")
	})
	if r := do(t, nc, o); r.Version != 1 || !r.Replayed {
		t.Errorf("sent again: %+v", r)
	}
	if n, _, err := reply.Pending(); n > 0 || err != nil {
		t.Errorf("%d replies came for the first, %v", n, err)
	}
}
