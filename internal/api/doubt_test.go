package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestRefusedAfterSilence: an attempt without an answer may have been applied, or may yet be,
// whatever a later one is told. So a refusal is no answer then.
func TestRefusedAfterSilence(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequestTimeout = 2 * time.Second
	for name, refusal := range map[string]messages.Result{
		"precondition": {Kind: messages.KindPrecondition, Version: 7},
		"no JSON":      {Kind: messages.KindMalformed},
		"busy":         {Kind: messages.KindUnavailable, Busy: true},
	} {
		for _, applied := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", applied ", applied), func(t *testing.T) {
				t.Parallel()
				s := newSystem(t, config)
				var asked atomic.Int32
				s.startFake(messages.WriteSubject, func(messages.Request) *messages.Reply {
					switch n := asked.Add(1); {
					case n == 1:
						return nil
					case n == 2 || !applied:
						return &messages.Reply{Results: []messages.Result{refusal}}
					default:
						return &messages.Reply{
							Results: []messages.Result{{Version: 2, Replayed: true}},
						}
					}
				})
				a := s.do(http.MethodPut, "/user/42/settings", `{}`, isJSON, `If-Match: "1"`)
				if applied && (a.status != http.StatusOK || a.header.Get("ETag") != `"2"`) {
					t.Errorf("%d %s", a.status, a.body)
				}
				if !applied {
					failed(t, a, http.StatusGatewayTimeout, "outcome-unknown")
				}
			})
		}
	}
}

// TestSilenceAfterRefusal: nor is a refusal one that came before an attempt without an answer.
func TestSilenceAfterRefusal(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequestTimeout = time.Second
	s := newSystem(t, config)
	var asked atomic.Int32
	s.startFake(messages.WriteSubject, func(messages.Request) *messages.Reply {
		if asked.Add(1) == 1 {
			return &messages.Reply{
				Results: []messages.Result{{Kind: messages.KindUnavailable, Busy: true}},
			}
		}
		return nil
	})
	failed(t, s.post("42", `{}`), http.StatusGatewayTimeout, "outcome-unknown")
}

// TestDoneAndNoRoom: a write whose result did not fit is done. Whatever comes in the way of getting
// that result, the answer never is that nothing was changed.
func TestDoneAndNoRoom(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequestTimeout = time.Second
	for name, trouble := range map[string]messages.Reply{
		"overloaded":  {Kind: messages.KindOverloaded},
		"unavailable": {Results: []messages.Result{{Kind: messages.KindUnavailable}}},
		"erased":      {Results: []messages.Result{{Kind: messages.KindUnavailable}}},
		"too old":     {Results: []messages.Result{{Kind: messages.KindUnknownAction}}},
		"refused":     {Results: []messages.Result{{Kind: messages.KindNotFound}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, config)
			var (
				mu   sync.Mutex
				done = make(map[string]bool) // by id, without a result that fitted
				seen int
			)
			s.startFake(messages.WriteSubject, func(r messages.Request) *messages.Reply {
				mu.Lock()
				defer mu.Unlock()
				if done[r.Operations[0].ID] {
					reply := trouble
					if reply.Kind == "" {
						reply.Results = slices.Repeat(trouble.Results, len(r.Operations))
					}
					return &reply
				}
				var reply messages.Reply
				for i, o := range r.Operations {
					result := messages.Result{Version: 1}
					if i > 0 {
						result = messages.Result{Kind: messages.KindAskAgain}
						done[o.ID] = true
						seen++
					}
					reply.Results = append(reply.Results, result)
				}
				return &reply
			})
			eventually(t, "results did not fit", func() bool {
				var wg sync.WaitGroup
				for range 50 {
					wg.Go(func() {
						a := s.do(http.MethodPut, "/user/42/settings", `{}`, isJSON)
						if a.status != http.StatusOK && a.status != http.StatusGatewayTimeout {
							t.Errorf("%d %s", a.status, a.body)
						}
					})
				}
				wg.Wait()
				mu.Lock()
				defer mu.Unlock()
				return seen > 0
			})
		})
	}
}

// TestNoRoom: where replies have room for few results, each is asked for a few times and not for as
// many as there are others.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	const room = 5
	var operations, most atomic.Int64
	s.startFake(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		n := len(r.Operations)
		operations.Add(int64(n))
		most.Store(max(most.Load(), int64(n)))
		reply := messages.Reply{
			Results: slices.Repeat([]messages.Result{{Kind: messages.KindAskAgain}}, n),
		}
		for i := range min(n, room) {
			reply.Results[i] = messages.Result{Version: 1}
		}
		return &reply
	})
	const requests = 300
	var wg sync.WaitGroup
	for i := range requests {
		wg.Go(func() {
			if a := s.post(fmt.Sprint("u", i), `{}`); a.status != http.StatusOK {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if n := operations.Load(); most.Load() <= room || n > 6*requests {
		t.Errorf("%d operations were asked for %d requests, %d at once", n, requests, most.Load())
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
					if got := a.header.Get("Idempotency-Replayed"); a.status != http.StatusOK ||
						got != replayed {
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
