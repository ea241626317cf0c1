package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/outset-settings/outset/pkg/messages"
)

// failed fails the test unless the answer is this kind of problem, with Retry-After.
func failed(t *testing.T, a answer, status int, kind string) {
	t.Helper()
	var p struct{ Kind string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != status ||
		p.Kind != kind || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s %v, want %d %s with Retry-After", a.status, a.body, a.header, status, kind)
	}
}

// TestNoWorker: where no worker ever was, the refusal does not wait for one.
func TestNoWorker(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequestTimeout, config.WorkerGrace = time.Hour, time.Hour // waiting would be noticed
	s := newSystem(t, config)
	for _, ask := range []func() answer{
		func() answer { return s.post("42", `{}`) }, func() answer { return s.get("42") },
	} {
		began := time.Now()
		failed(t, ask(), http.StatusServiceUnavailable, "unavailable")
		t.Logf("refused after %v", time.Since(began))
	}
}

// TestReadiness: the API lives without NATS and workers, and is ready with them.
func TestReadiness(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	ready := func() bool { return s.do("GET", "/readyz", "").status == http.StatusOK }
	failed(t, s.do("GET", "/readyz", ""), http.StatusServiceUnavailable, "unavailable")
	stop := s.startWorker()
	eventually(t, "it is ready with a worker", ready)
	stop()
	eventually(t, "it is not ready without one", func() bool { return !ready() })
	s.startWorker()
	eventually(t, "it is ready with another one", ready)
	s.nats.Shutdown()
	eventually(t, "it is not ready without NATS", func() bool { return !ready() })
	if a := s.do("GET", "/healthz", ""); a.status != http.StatusOK {
		t.Errorf("healthz: %+v", a)
	}
}

// TestWorkersComeAndGo: under load, workers start and stop one after the other, at times
// none is there. Each write is answered and counts once.
func TestWorkersComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	stop := s.startWorker()
	done := make(chan struct{})
	var load sync.WaitGroup
	writes := make([]int, 16)
	for n := range writes {
		load.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				a, err := s.try("POST", fmt.Sprintf("/user/u%d/settings", n), fmt.Sprintf(`{"n":%d}`, writes[n]+1), isJSON)
				if err != nil || a.status != http.StatusOK || a.header.Get("ETag") != fmt.Sprintf(`"%d"`, writes[n]+1) {
					t.Errorf("write %d: %+v, %v", writes[n]+1, a, err)
					return
				}
				writes[n]++
			}
		})
	}
	for range 3 {
		another := s.startWorker() // one, two, one
		stop()
		stop = another
	}
	stop() // none
	stop = s.startWorker()
	close(done)
	load.Wait()
	stop()
	s.startWorker()
	for n, w := range writes {
		s.has(fmt.Sprint("u", n), w, fmt.Sprintf(`{"n":%d}`, w))
	}
}

// TestNoAnswer: where nobody answers in time a write's outcome is unknown, and a read
// is just not served.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequestTimeout = 100 * time.Millisecond
	s := newSystem(t, config)
	silent := s.startSilent(messages.WriteSubject, messages.ReadSubject)
	for _, c := range []struct {
		method string
		status int
		kind   string
	}{
		{http.MethodPut, http.StatusGatewayTimeout, "outcome-unknown"},
		{http.MethodGet, http.StatusServiceUnavailable, "unavailable"},
	} {
		silent.asked(func(user string) bool {
			a := s.do(c.method, "/user/"+user+"/settings", `{}`, isJSON)
			if silent.count(user) == 0 {
				return false
			}
			failed(t, a, c.status, c.kind)
			return true
		})
	}
}

// silent is a worker that never answers. It counts the messages for each user.
type silent struct {
	t        testing.TB
	mu       sync.Mutex
	messages map[string]int
	rounds   int
}

func (s *system) startSilent(subjects ...string) *silent {
	s.t.Helper()
	w := &silent{t: s.t, messages: make(map[string]int)}
	for _, subject := range subjects {
		s.startFake(subject, func(r messages.Request) *messages.Reply {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.messages[r.Operations[0].User]++
			return nil
		})
	}
	return w
}

func (w *silent) count(user string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.messages[user]
}

// asked repeats what asks the worker, each time for another user, until it tells that the worker
// was asked: on a busy machine a request's time may be up before.
func (w *silent) asked(ask func(user string) bool) {
	w.t.Helper()
	eventually(w.t, "the worker was asked before the deadline", func() bool {
		w.rounds++
		return ask(fmt.Sprint("round", w.rounds))
	})
}

// TestUnknownKind: a kind that a newer worker has is ours to explain, not the client's.
func TestUnknownKind(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startFake(messages.ReadSubject, func(messages.Request) *messages.Reply {
		return &messages.Reply{
			Results: []messages.Result{{Kind: "from-the-future", Detail: "secret"}},
		}
	})
	a := s.get("42")
	if a.status != http.StatusInternalServerError || !strings.Contains(a.body, `"kind":"internal"`) || strings.Contains(a.body, "secret") {
		t.Errorf("%+v", a)
	}
}

// TestBigDocuments: batches of the largest documents, both ways, through a NATS server
// with the default max_payload and one with the least that we need.
func TestBigDocuments(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int32{
		"default": server.MAX_PAYLOAD_SIZE,
		"least":   messages.MinPayload,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, apiConfig, func(o *server.Options) { o.MaxPayload = most })
			s.startWorker()
			const users = 48
			document := func(n int) string {
				return fmt.Sprintf(`{"n":%02d,"x":"%s"}`, n+10, strings.Repeat("x", apiConfig.MaxDocument-len(`{"n":00,"x":""}`)))
			}
			var all sync.WaitGroup
			for n := range users {
				all.Go(func() {
					if a := s.post(fmt.Sprint("u", n), document(n)); a.status != http.StatusOK {
						t.Errorf("POST %d: %d %.100s", n, a.status, a.body)
					}
				})
			}
			all.Wait()
			for n := range users {
				all.Go(func() { s.has(fmt.Sprint("u", n), 1, document(n)) })
			}
			all.Wait()
		})
	}
}

// TestSmallPayload: a server that can't carry the largest document is told apart.
func TestSmallPayload(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig, func(o *server.Options) { o.MaxPayload = messages.MinPayload - 1 })
	a := s.do("GET", "/readyz", "")
	failed(t, a, http.StatusServiceUnavailable, "unavailable")
	if !strings.Contains(a.body, "max_payload") {
		t.Errorf("the reason is missing: %s", a.body)
	}
}

// TestNATSRestart: while NATS is away requests are refused or held, afterwards served, and
// nothing is sent late.
func TestNATSRestart(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.WorkerGrace = 0
	s := newSystem(t, config)
	quick := timing
	quick.Attempt = time.Second // a read that NATS loses is asked for again
	s.api, s.base, _ = s.startWith(config, quick, 0)
	s.startWorker()
	s.post("42", `{"n":1}`)
	port := s.nats.Addr().String()
	s.stopNATS()
	eventually(t, "requests are refused", func() bool {
		return s.get("42").status == http.StatusServiceUnavailable
	})
	failed(t, s.post("42", `{"n":2}`), http.StatusServiceUnavailable, "unavailable")

	s.restartNATS(port)
	began := time.Now()
	eventually(t, "requests are served", func() bool { return s.get("42").status == http.StatusOK })
	t.Logf("served again after %v", time.Since(began))
	s.has("42", 1, `{"n":1}`)
}

// TestShutdown: an API that is stopped answers what it has taken.
func TestShutdown(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	taken, gate := make(chan struct{}), make(chan struct{})
	s.startFake(messages.ReadSubject, func(messages.Request) *messages.Reply {
		close(taken)
		<-gate
		return &messages.Reply{Results: []messages.Result{{Version: 3, Document: []byte(`{}`)}}}
	})
	stop := s.startPatient()
	base := s.base
	answers := make(chan answer, 1)
	go func() { answers <- s.get("42") }()
	<-taken
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	eventually(t, "new connections are refused", func() bool {
		fresh := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := fresh.Get(base + "/healthz")
		if err == nil {
			_ = response.Body.Close()
		}
		return err != nil
	})
	close(gate)
	if a := <-answers; a.status != http.StatusOK || a.header.Get("ETag") != `"3"` {
		t.Errorf("the request under way: %+v", a)
	}
	<-stopped
}
