package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// keepOut keeps everybody out of the system's database, or lets them in again.
func (s *system) keepOut(off bool) {
	s.t.Helper()
	config, err := pgx.ParseConfig(s.database)
	if err != nil {
		s.t.Fatal(err)
	}
	name := config.Database
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(s.t.Context(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(s.t.Context()) }()
	allow := "true"
	if off {
		allow = "false"
	}
	_, err = conn.Exec(s.t.Context(), `alter database `+pgx.Identifier{name}.Sanitize()+
		` allow_connections `+allow)
	if err == nil && off {
		_, err = conn.Exec(s.t.Context(), `
			select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, name)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

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
		s.keepOut(true)
		eventually(t, "it is not ready without the database", func() bool { return !ready() })
		a := s.get("42")
		failed(t, a, http.StatusServiceUnavailable, "unavailable")
		if !strings.Contains(a.body, "no worker reaches its database") {
			t.Errorf("it says %s", a.body)
		}
		s.keepOut(false)
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
	s.keepOut(true)
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
