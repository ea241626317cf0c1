package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// TestReadyNeedsTheDatabase: a worker that can't reach its database doesn't count as one that can
// serve. It counts again, by itself, once it can.
func TestReadyNeedsTheDatabase(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.WorkerGrace = 0
	s := newSystem(t, config)
	s.startWorker()
	ready := func() bool {
		return s.do(http.MethodGet, "/readyz", "").status == http.StatusOK
	}
	eventually(t, "it is ready", ready)
	s.post("42", `{"n":1}`)
	for range 2 {
		pgtest.KeepOut(t, s.database, true)
		eventually(t, "it is not ready without the database", func() bool { return !ready() })
		a := s.get("42")
		failed(t, a, http.StatusServiceUnavailable, "unavailable")
		if !strings.Contains(a.body, "no worker reaches its database") {
			t.Errorf("it says %s", a.body)
		}
		pgtest.KeepOut(t, s.database, false)
		eventually(t, "it is ready with the database", ready)
		s.has("42", 1, `{"n":1}`)
	}
}

// TestWorkerWithoutDatabase: requests go to the workers that reach their database.
func TestWorkerWithoutDatabase(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.post("42", `{"n":1}`)
	lost := s.database
	s.database = ""
	s.startWorker() // with a database of its own
	s.database, lost = lost, s.database
	pgtest.KeepOut(t, s.database, true)
	s.database = lost
	eventually(t, "the other worker has joined and the first has left", func() bool {
		for range 20 { // each would be drawn about ten times
			if a := s.post("43", `{"n":1}`); a.status != http.StatusOK {
				return false
			}
		}
		return true
	})
	eventually(t, "it is ready", func() bool {
		return s.do(http.MethodGet, "/readyz", "").status == http.StatusOK
	})
}
