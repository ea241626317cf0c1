package api_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// older answers as a worker that knows no action beyond ActionReplace.
func older(r messages.Request) *messages.Reply {
	reply := messages.Reply{Worker: "older"}
	for _, o := range r.Operations {
		result := messages.Result{Version: 1}
		if o.Action > messages.ActionReplace {
			result = messages.Result{Kind: messages.KindUnknownAction}
		}
		reply.Results = append(reply.Results, result)
	}
	return &reply
}

// TestOlderWorkers: what a worker is too old for is asked of another one, and refused for now
// where there is none. The client's mistakes stay the client's.
func TestOlderWorkers(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	for range 3 {
		s.startFake(messages.WriteSubject, older)
	}
	failed(t, s.do(http.MethodPatch, "/user/42/settings", `{}`, isMerge), http.StatusServiceUnavailable, "unavailable")
	if a := s.do(http.MethodPut, "/user/42/settings", `{}`, isJSON); a.status != http.StatusOK {
		t.Errorf("what the older worker knows: %+v", a)
	}
	s.startWorker()
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			path := fmt.Sprintf("/user/u%d/settings", i)
			if a := s.do(http.MethodPatch, path, `{}`, isMerge, "If-Match: *"); a.status != http.StatusPreconditionFailed {
				t.Errorf("a precondition that doesn't hold: %+v", a)
			}
			if a := s.do(http.MethodPatch, path, `{"a":1}`, isMerge); a.status != http.StatusOK || a.body != `{"a":1}` {
				t.Errorf("a patch: %+v", a)
			}
			if a := s.do(http.MethodPatch, path, `{"a"}`, isMerge); a.status != http.StatusBadRequest {
				t.Errorf("no JSON: %+v", a)
			}
		})
	}
	wg.Wait()
}
