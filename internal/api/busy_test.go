package api_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestBusyDocument: while others write the same document all the time it is the request that waits,
// until its deadline.
func TestBusyDocument(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequestTimeout = time.Second
	s := newSystem(t, config)
	var asked atomic.Int32
	busy := &messages.Reply{Results: []messages.Result{{Kind: messages.KindUnavailable, Busy: true}}}
	sub := s.startFake(messages.WriteSubject, func(messages.Request) *messages.Reply {
		if asked.Add(1) < 5 {
			return busy
		}
		return &messages.Reply{Results: []messages.Result{{Version: 1}}}
	})
	if a := s.post("42", `{}`); a.status != http.StatusOK || asked.Load() != 5 {
		t.Errorf("asked %d times: %+v", asked.Load(), a)
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	s.startFake(messages.WriteSubject, func(messages.Request) *messages.Reply { return busy })
	began := time.Now()
	failed(t, s.post("42", `{}`), http.StatusServiceUnavailable, "unavailable")
	if took := time.Since(began); took < config.RequestTimeout*8/10 {
		t.Errorf("given up after %v", took)
	}
}
