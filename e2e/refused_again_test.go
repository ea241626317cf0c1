package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestRefusalAfterLostAnswer: the answer to a conditional write is lost, and it is refused when the
// API sends it again. The refusal is certain, so it is the answer.
func TestRefusalAfterLostAnswer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	losing := s.newWorker("OUTSET_FAILPOINTS=worker/reply-lost=1")
	base := s.newAPI()
	stale := call{
		method: http.MethodPut, path: settingsOf("ann"), body: `{}`,
		header: []string{isJSON, `If-Match: "7"`, "Idempotency-Key: stale"},
	}
	began := time.Now()
	a, err := s.send(base, stale)
	s.do(err)
	t.Logf("refused after %v", time.Since(began))
	if a.status != http.StatusPreconditionFailed {
		t.Errorf("refused when it was sent again: %v", a)
	}
	if n := repliesLost([]*program{losing}); n != 1 {
		t.Errorf("%d replies were lost", n)
	}
	// It left nothing, and the same key can be used once the condition holds.
	s.do(s.has(base, "ann", 0, `{}`))
	for version := range int64(7) {
		_, err := s.want(base, call{
			method: http.MethodPut, path: settingsOf("ann"), header: []string{isJSON},
			body: fmt.Sprintf(`{"n":%d}`, version+1),
		}, http.StatusOK, version+1)
		s.do(err)
	}
	a, err = s.want(base, stale, http.StatusOK, 8)
	s.do(err)
	if a.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("applied for the first time: %v", a.header)
	}
}
