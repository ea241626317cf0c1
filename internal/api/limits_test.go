package api_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestLimitsAreKept: however many clients want the limits, few of them ask a worker; and a failure
// isn't kept.
func TestLimitsAreKept(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	var asked atomic.Int64
	s.startFake(messages.ReadSubject, func(messages.Request) *messages.Reply {
		if asked.Add(1) == 1 {
			return &messages.Reply{Results: []messages.Result{{
				Kind: messages.KindUnavailable, Detail: "not yet",
			}}}
		}
		return &messages.Reply{Results: []messages.Result{{
			Document: []byte(`{"document":{"bytes":100},"history":{"versions":7}}`),
		}}}
	})
	eventually(t, "there are limits", func() bool {
		return s.do("GET", "/limits", "").status == http.StatusOK
	})
	asked.Store(0)
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() {
			for range 5 {
				if a := s.do("GET", "/limits", ""); a.status != http.StatusOK {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	clients.Wait()
	if n := asked.Load(); n > 10 { // once in five seconds, however slow the machine is
		t.Errorf("50 requests asked the workers %d times", n)
	}
}
