//go:build failpoint

package worker_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/failpoint"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestReplyLost: a write whose answer is lost was applied, and asking again tells so. It runs
// itself once more, since the variable is read when a program starts.
func TestReplyLost(t *testing.T) { // alone: others would get the fault
	if os.Getenv(failpoint.Variable) == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestReplyLost$", "-test.timeout=1m")
		c.Env = append(os.Environ(), failpoint.Variable+"=worker/reply-lost=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	nc := connect(t)
	start(t, nc, open(t), config)
	if r := do(t, nc, read("ann")); r.Version != 0 { // a read is answered
		t.Fatalf("%+v", r)
	}
	o := replace("ann", "1", `{"n":1}`)
	data := encode(t, o)
	if _, err := nc.Request(messages.WriteSubject, data, 500*time.Millisecond); !errors.Is(err,
		nats.ErrTimeout) {
		t.Fatalf("the answer was to be lost: %v", err)
	}
	if r := do(t, nc, o); r.Version != 1 || !r.Replayed {
		t.Errorf("asked again: %+v", r)
	}
}
