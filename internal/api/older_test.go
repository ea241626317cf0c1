package api_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// older answers as a worker of the first generation: it knows ActionReplace only.
func older(r messages.Request) *messages.Reply {
	reply := messages.Reply{Worker: "older"}
	for _, o := range r.Operations {
		result := messages.Result{Version: 1}
		if o.Action > messages.ActionReplace {
			result = messages.Result{Kind: messages.KindMalformed, Detail: fmt.Sprintf("action %d is unknown to this worker", o.Action)}
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
			if a := s.do(http.MethodPut, path, `{}`, isJSON, "If-Match: *"); a.status != http.StatusPreconditionFailed {
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

// TestRefusedAfterSilence: an attempt without an answer may have been applied, or may yet be. So a
// refusal that holds of the current document only is no answer until the deadline has passed.
func TestRefusedAfterSilence(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequestTimeout = 2 * time.Second
	refusal := messages.Result{Kind: messages.KindPrecondition, Version: 7}
	for name, c := range map[string]struct {
		third  messages.Result
		status int
	}{
		"and the first attempt turns out to be applied": {messages.Result{Version: 2, Replayed: true}, http.StatusOK},
		"and it stays so": {refusal, http.StatusPreconditionFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, config)
			var asked atomic.Int32
			s.startFake(messages.WriteSubject, func(messages.Request) *messages.Reply {
				switch asked.Add(1) {
				case 1:
					return nil
				case 2:
					return &messages.Reply{Results: []messages.Result{refusal}}
				default:
					return &messages.Reply{Results: []messages.Result{c.third}}
				}
			})
			began := time.Now()
			a := s.do(http.MethodPut, "/user/42/settings", `{}`, isJSON, `If-Match: "1"`)
			if a.status != c.status {
				t.Errorf("%d %s, want %d", a.status, a.body, c.status)
			}
			if c.status == http.StatusPreconditionFailed && time.Since(began) < config.RequestTimeout {
				t.Errorf("refused after %v, before the deadline", time.Since(began))
			}
		})
	}
}

// TestNotReplayed: a write whose result did not fit beside the others is asked for again, and so is
// a repetition for the worker. For the client it is the first answer.
func TestNotReplayed(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	var (
		mu      sync.Mutex
		applied = make(map[string]bool)
		again   int
	)
	s.startFake(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		mu.Lock()
		defer mu.Unlock()
		var reply messages.Reply
		for i, o := range r.Operations {
			result := messages.Result{Version: 1, Replayed: applied[o.ID]}
			applied[o.ID] = true
			if i > 0 {
				result = messages.Result{Kind: messages.KindAskAgain, Replayed: result.Replayed}
				again++
			}
			reply.Results = append(reply.Results, result)
		}
		return &reply
	})
	eventually(t, "results did not fit", func() bool {
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				key := fmt.Sprintf("Idempotency-Key: %d-%d", time.Now().UnixNano(), i)
				for _, replayed := range []string{"", "true"} {
					a := s.do(http.MethodPut, "/user/42/settings", `{}`, isJSON, key)
					if got := a.header.Get("Idempotency-Replayed"); a.status != http.StatusOK || got != replayed {
						t.Errorf("%d, Idempotency-Replayed is %q, want %q", a.status, got, replayed)
					}
				}
			})
		}
		wg.Wait()
		mu.Lock()
		defer mu.Unlock()
		return again > 0
	})
}
