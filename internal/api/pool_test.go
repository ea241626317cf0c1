package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/outset-settings/outset/internal/access"
)

// poolAnswer is what the tests read of GET /pool.
type poolAnswer struct {
	API struct {
		ID       string
		Requests int
		Problems map[string]int
		Queues   map[string]poolQueue
	}
	Workers []struct {
		ID, Host, Version, State string
		Queues                   map[string]poolQueue
	}
}

type poolQueue struct {
	Lanes, Batches, Operations, Waiting, Refused int
	WaitedSeconds, CarriedSeconds, BusySeconds   float64
}

func (s *system) pool(t *testing.T) (p poolAnswer) {
	t.Helper()
	a := s.do(http.MethodGet, "/pool", "")
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return p
}

// TestPool: all workers are there with what they have done, and what was refused at the API.
func TestPool(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	if p := s.pool(t); p.Workers == nil || len(p.Workers) > 0 || p.API.ID == "" {
		t.Errorf("before there is a worker: %+v", p)
	}
	s.startWorker()
	stop := s.startWorker()
	s.startWorker()
	workers := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprint(n, " workers are there"), func() bool {
			return len(s.pool(t).Workers) == n
		})
	}
	workers(3)
	const writes, reads = 20, 30
	for i := range writes {
		s.put(fmt.Sprint(i%4), `{}`)
	}
	for i := range reads {
		if a := s.get(fmt.Sprint(i % 4)); a.status != http.StatusOK {
			t.Errorf("%+v", a)
		}
	}
	if a := s.do(http.MethodPut, "/user/0/settings", `[]`, isJSON); a.status != http.StatusUnprocessableEntity {
		t.Errorf("%+v", a)
	}
	// A batch ends a moment after its answers.
	sum := func(p poolAnswer, queue string) (n int) {
		for _, w := range p.Workers {
			n += w.Queues[queue].Operations
		}
		return n
	}
	eventually(t, "all is counted", func() bool {
		p := s.pool(t)
		return sum(p, "write") == writes+1 && sum(p, "read") == reads &&
			p.API.Queues["write"].Operations == writes+1 && p.API.Queues["read"].Operations == reads
	})
	p := s.pool(t)
	if p.API.Problems["invalid-document"] != 1 || len(p.API.Problems) != 1 ||
		p.API.Requests < writes+reads+1 {
		t.Errorf("%d requests, problems %v", p.API.Requests, p.API.Problems)
	}
	for _, w := range p.Workers {
		if q := w.Queues["read"]; w.ID == "" || w.Host == "" || w.Version != "0.0.0" ||
			w.State != "serving" || q.Lanes == 0 || q.Batches > q.Operations ||
			q.Operations > 0 && q.CarriedSeconds <= 0 {
			t.Errorf("%+v", w)
		}
	}
	stop()
	workers(2)
}

// TestIdentity: everybody learns who they are, and what their token allows.
func TestIdentity(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	ask := func(header ...string) (status int, id struct {
		Kind, Subject, Token, Application string
		Scopes                            []string
	},
	) {
		a := s.do(http.MethodGet, "/identity", "", header...)
		if err := json.Unmarshal([]byte(a.body), &id); err != nil {
			t.Errorf("%+v: %v", a, err)
		}
		return a.status, id
	}
	if status, _ := ask(); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	status, id := ask(s.user("ann"))
	if status != http.StatusOK || id.Kind != "user" || id.Subject != "ann" || id.Scopes == nil ||
		len(id.Scopes) > 0 || id.Application != access.DefaultApp {
		t.Errorf("a user: %d %+v", status, id)
	}
	status, id = ask(s.service("pool:read"))
	if status != http.StatusOK || id.Kind != "service" || fmt.Sprint(id.Scopes) != "[pool:read]" ||
		id.Token == "" {
		t.Errorf("a service: %d %+v", status, id)
	}
	open := newSystem(t, apiConfig)
	if a := open.do(http.MethodGet, "/identity", ""); a.body !=
		`{"kind":"anonymous","scopes":["admin"],"application":"default"}` {
		t.Errorf("where no tokens are asked for: %s", a.body)
	}
}
