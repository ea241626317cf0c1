package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestDropped: what exceeds the budget of a history is listed as dropped and can't be read or
// restored, and a repetition of what made it is told that it was done, without the document.
func TestDropped(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	config := workerConfig
	config.HistoryBytes = 64 << 10
	s.startWorkerWith(config)
	const path = "/user/ann/settings"
	large := strings.Repeat("x", 20<<10)
	patch := func(n int) answer {
		return s.do(http.MethodPatch, path, fmt.Sprintf(`{"n":%d,"large":%q}`, n, large), isJSON,
			fmt.Sprintf("Idempotency-Key: k%d", n))
	}
	first := patch(1)
	history := func() page {
		h, _ := s.history("/user/ann/history?limit=100")
		return h
	}
	eventually(t, "the first version is dropped", func() bool {
		if a := patch(2 + len(history().Versions)); a.status != http.StatusOK {
			t.Fatalf("%+v", a)
		}
		all := history().Versions
		return all[len(all)-1].Dropped
	})
	h := history()
	if h.Versions[0].Dropped || h.Versions[len(h.Versions)-1].Size < len(large) {
		t.Errorf("%+v", h)
	}
	for _, a := range []answer{
		s.do(http.MethodGet, "/user/ann/history/1", ""),
		s.do(http.MethodPost, "/user/ann/history/1/restore", ""),
	} {
		if !isProblemOf(a, "not-found") || !strings.Contains(a.body, "budget") {
			t.Errorf("%+v", a)
		}
	}
	again := patch(1)
	if again.status != http.StatusNoContent || again.body != "" ||
		again.header.Get("Idempotency-Replayed") != "true" ||
		again.header.Get("ETag") != first.header.Get("ETag") {
		t.Errorf("repeated: %+v", again)
	}
	if n := len(history().Versions); n != len(h.Versions) {
		t.Errorf("%d versions, and %d before the repetition", n, len(h.Versions))
	}
}
