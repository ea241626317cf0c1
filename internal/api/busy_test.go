package api_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

var busy = &messages.Reply{Results: []messages.Result{{Kind: messages.KindUnavailable, Busy: true}}}

// TestBusyDocument: while others write the same document it is the request that waits.
func TestBusyDocument(t *testing.T) {
	t.Parallel()
	s := newSystem(t, patient)
	var asked atomic.Int32
	s.startFake(messages.WriteSubject, func(messages.Request) *messages.Reply {
		if asked.Add(1) < 5 {
			return busy
		}
		return &messages.Reply{Results: []messages.Result{{Version: 1}}}
	})
	if a := s.post("42", `{}`); a.status != http.StatusOK || asked.Load() != 5 {
		t.Errorf("asked %d times: %+v", asked.Load(), a)
	}
}

// TestBusyToTheEnd: it waits until its deadline. Not in parallel with other tests: a last attempt
// that takes over 100 ms for want of a processor would rightly be of unknown outcome.
func TestBusyToTheEnd(t *testing.T) {
	config := apiConfig
	config.RequestTimeout = time.Second
	s := newSystem(t, config)
	s.startFake(messages.WriteSubject, func(messages.Request) *messages.Reply { return busy })
	began := time.Now()
	failed(t, s.post("42", `{}`), http.StatusServiceUnavailable, "unavailable")
	if took := time.Since(began); took < config.RequestTimeout*8/10 {
		t.Errorf("given up after %v", took)
	}
}
