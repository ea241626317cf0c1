package api_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/pkg/messages"
)

// event is one of a stream, or a comment.
type event struct{ name, id, data, comment string }

// stream is what a watcher hears. It is closed at its end.
type stream struct {
	t      *testing.T
	answer answer
	events chan event
	stop   func()
}

// watch opens a stream of events, or gets another answer.
func (s *system) watch(t *testing.T, path string, header ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: s.trust.Clone(),
	}}
	response, err := client.Do(r)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	lines := bufio.NewReader(response.Body)
	first, err := lines.ReadString('\n')
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	checkExchange(t, r, nil, response, []byte(first))
	st := &stream{
		t: t, answer: answer{response.StatusCode, response.Header, first, ""},
		events: make(chan event, 1000),
	}
	var reading sync.WaitGroup
	reading.Go(func() { st.read(lines) })
	st.stop = sync.OnceFunc(func() {
		cancel()
		_ = response.Body.Close()
		reading.Wait()
	})
	t.Cleanup(st.stop)
	return st
}

// read parses as HTML's section 9.2.6 says.
func (st *stream) read(lines *bufio.Reader) {
	defer close(st.events)
	var e event
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && e != event{}:
			e.data = strings.TrimSuffix(e.data, "\n")
			st.events <- e
			e = event{}
		case field == "" && line != "":
			e.comment = value
		case field == "event":
			e.name = value
		case field == "id":
			e.id = strings.Trim(number(`"`+value+`"`), `"`)
		case field == "data":
			e.data += value + "\n"
		}
	}
}

// next is the next event that is no comment.
func (st *stream) next() (event, bool) {
	st.t.Helper()
	timeout := time.After(ample)
	for {
		select {
		case e, ok := <-st.events:
			if e.comment == "" {
				return e, ok
			}
		case <-timeout:
			st.t.Fatal("in vain waited for an event")
		}
	}
}

// hears fails the test unless these are the next events' data.
func (st *stream) hears(data ...string) {
	st.t.Helper()
	for _, want := range data {
		e, _ := st.next()
		version, _, _ := strings.Cut(strings.TrimPrefix(want, `{"version":`), ",")
		version = strings.TrimSuffix(version, "}")
		if e.data != want || e.name != "changed" || e.id != version {
			st.t.Errorf("heard %+v, want %s", e, want)
		}
	}
}

// ended fails the test unless the stream ends, after any events.
func (st *stream) ended() {
	st.t.Helper()
	for ok := true; ok; {
		_, ok = st.next()
	}
}

// source is a worker of the test's own: it answers what it is told to, and tells of changes when it
// is told to.
type source struct {
	s     *system
	nc    *nats.Conn
	mu    sync.Mutex
	users map[string]messages.Result
	reads map[messages.Action]int
	down  bool
}

func (s *system) startSource() *source {
	s.t.Helper()
	src := &source{
		s: s, nc: s.workers, users: make(map[string]messages.Result),
		reads: make(map[messages.Action]int),
	}
	s.startFake(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		src.mu.Lock()
		defer src.mu.Unlock()
		reply := &messages.Reply{Worker: "source"}
		for _, o := range r.Operations {
			src.reads[o.Action]++
			result, ok := src.users[o.User]
			switch {
			case !ok:
				result.Absent = true
			case o.Action == messages.ActionReadNumber:
				result.Document = nil
			}
			if src.down {
				result = messages.Result{Kind: messages.KindUnavailable}
			}
			reply.Results = append(reply.Results, result)
		}
		return reply
	})
	return src
}

// set makes a version, of which nobody hears.
func (src *source) set(user string, version int64, document string) messages.Changed {
	src.mu.Lock()
	defer src.mu.Unlock()
	r := messages.Result{
		Version: version, Modified: 1764000000000000 + version*1000,
		Document: []byte(document), Absent: document == "",
	}
	src.users[user] = r
	return messages.Changed{Version: r.Version, Modified: r.Modified, Absent: r.Absent}
}

// tell publishes changes.
func (src *source) tell(user string, changes ...messages.Changed) {
	src.s.t.Helper()
	for _, c := range changes {
		data, err := messages.EncodeChanged(c)
		if err == nil {
			err = src.nc.Publish(messages.ChangedSubject(user), data)
		}
		if err != nil {
			src.s.t.Error(err)
		}
	}
}

func (src *source) asked(action messages.Action) int {
	src.mu.Lock()
	defer src.mu.Unlock()
	return src.reads[action]
}

// at is the data of an event: a version and what comes after its time.
func at(version int, rest string) string {
	return fmt.Sprintf(`{"version":%d,"time":"%s"%s}`, version, time.UnixMilli(1764000000000+int64(version)).UTC().Format(time.RFC3339Nano), rest)
}

// often is an API that looks after its watchers often.
func often() api.Config {
	c := apiConfig
	c.EventsHeartbeat = 200 * time.Millisecond
	return c
}

// TestEvents: the current version at once, then each that is told of, in order and each once.
func TestEvents(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	src := s.startSource()
	one := s.watch(t, "/user/42/events", "X-Request-ID: r1")
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream",
		"X-Request-Id": "r1", "Content-Length": "",
	} {
		if got := one.answer.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	retry := func(st *stream) (ms int) {
		if _, err := fmt.Sscanf(st.answer.body, "retry: %d\n", &ms); err != nil || ms < 1000 ||
			ms > 3000 {
			t.Errorf("it begins with %q, %v", st.answer.body, err)
		}
		return ms
	}
	first := retry(one)
	eventually(t, "another is told another time", func() bool {
		st := s.watch(t, "/user/retry/events")
		defer st.stop()
		return retry(st) != first
	})
	one.hears(`{"version":0}`)
	src.tell("42", src.set("42", 1, `{"a":1}`))
	one.hears(at(1, ""))
	two := s.watch(t, "/user/42/events")
	two.hears(at(1, ""))
	whole := s.watch(t, "/user/42/events?include=settings")
	whole.hears(at(1, `,"settings":{"a":1}`))
	src.tell("43", src.set("43", 5, `{}`)) // somebody else
	gone := src.set("42", 2, "")
	src.tell("42", gone, gone, messages.Changed{Version: 1})
	one.hears(at(2, `,"deleted":true`))
	two.hears(at(2, `,"deleted":true`))
	whole.hears(at(2, `,"deleted":true,"settings":{}`))
	two.stop()
	src.tell("42", src.set("42", 3, "{\"b\": 2}"), src.set("42", 4, " {\r\n\"b\":\r3\n}"))
	one.hears(at(3, ""), at(4, ""))
	if e, _ := whole.next(); e.id != "4" && e.id != "3" {
		t.Errorf("with the document: %+v", e)
	} else if e.id == "3" {
		e, _ = whole.next()
		if e.data != at(4, ",\"settings\": {\n\"b\":\n3\n}") {
			t.Errorf("a document with line breaks: %q", e.data)
		}
	} else if e.data != at(4, ",\"settings\": {\n\"b\":\n3\n}") {
		t.Errorf("a document with line breaks: %q", e.data)
	}
}

// TestEventsRequests: what is asked for in the wrong way, and what a client that comes back has
// heard already.
func TestEventsRequests(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	src := s.startSource()
	src.set("42", 7, `{}`)
	s.story(t, "no streams",
		exchange{"GET /user/42/events?include=all", "", "", 400, "", problem("malformed")},
		exchange{"GET /user/a%00b/events", "", "", 400, "", problem("malformed")},
		exchange{"HEAD /user/42/events", "", "", 200, "Content-Type: text/event-stream", nothing},
		exchange{
			"POST /user/42/events", isJSON, "{}", 405, "Allow: GET, HEAD, OPTIONS",
			problem("method-not-allowed"),
		})
	known := s.watch(t, "/user/42/events?include=settings", "Last-Event-ID: 7-hdaaeuvgig")
	for _, id := range []string{"6", "7", "7-hdaaeuvgih", "8", "x", "07"} {
		s.watch(t, "/user/42/events", "Last-Event-ID: "+id).hears(at(7, ""))
	}
	src.tell("42", src.set("42", 8, `{}`))
	known.hears(at(8, `,"settings":{}`))

	src.mu.Lock()
	src.down = true
	src.mu.Unlock()
	failed(t, s.do("GET", "/user/42/events", ""), http.StatusServiceUnavailable, "unavailable")
}

// TestEventsCORS: pages that may use the API may watch, too.
func TestEventsCORS(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.CORSOrigins = []string{appOrigin}
	s := newSystem(t, config)
	s.startSource()
	st := s.watch(t, "/user/42/events", "Origin: "+appOrigin)
	if got := st.answer.header.Get("Access-Control-Allow-Origin"); got != appOrigin {
		t.Errorf("%q is allowed", got)
	}
	st.hears(`{"version":0}`)
}

// TestEventsAfterTrouble: neither a read that fails nor NATS away for a while keeps the last change
// from coming.
func TestEventsAfterTrouble(t *testing.T) {
	t.Parallel()
	s := newSystem(t, often())
	src := s.startSource()
	whole := s.watch(t, "/user/42/events?include=settings")
	whole.hears(`{"version":0,"settings":{}}`)
	src.mu.Lock()
	src.down = true
	src.mu.Unlock()
	before := src.asked(messages.ActionRead)
	src.tell("42", src.set("42", 1, `{"a":1}`))
	eventually(t, "the document was asked for", func() bool {
		return src.asked(messages.ActionRead) > before
	})
	src.mu.Lock()
	src.down = false
	src.mu.Unlock()
	whole.hears(at(1, `,"settings":{"a":1}`))

	port := s.nats.Addr().String()
	s.stopNATS()
	src.set("42", 2, `{"a":2}`)
	s.restartNATS(port)
	whole.hears(at(2, `,"settings":{"a":2}`))
	eventually(t, "the test has NATS back", src.nc.IsConnected)
	src.tell("42", src.set("42", 3, `{"a":3}`))
	whole.hears(at(3, `,"settings":{"a":3}`))
}

// TestEventsLimit: one watcher more than there may be is refused.
func TestEventsLimit(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.MaxWatchers = 1
	s := newSystem(t, config)
	s.startSource()
	s.watch(t, "/user/42/events").hears(`{"version":0}`)
	failed(t, s.do("GET", "/user/43/events", ""), http.StatusServiceUnavailable, "overloaded")
}

// TestEventsHeartbeat: streams show signs of life.
func TestEventsHeartbeat(t *testing.T) {
	t.Parallel()
	s := newSystem(t, often())
	s.startSource()
	st := s.watch(t, "/user/42/events")
	for beats := 0; beats < 3; {
		if e := <-st.events; e.comment == "heartbeat" {
			beats++
		}
	}
}

// TestEventsStop: when the API stops its streams end, and nothing of them is left.
func TestEventsStop(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startSource()
	base, stop := s.startAPI(apiConfig)
	s.base = base
	st := s.watch(t, "/user/42/events")
	st.hears(`{"version":0}`)
	stop()
	st.ended()
}

// TestEventsOfWorkers: every kind of write is heard of, from any worker.
func TestEventsOfWorkers(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.startWorker()
	numbers, whole := s.watch(t, "/user/a%2Fb/events"),
		s.watch(t, "/user/a%2Fb/events?include=settings")
	numbers.hears(`{"version":0}`)
	whole.hears(`{"version":0,"settings":{}}`)
	const path = "/user/a%2Fb/settings"
	for i, write := range []struct{ method, path, body, header, has string }{
		{"PUT", path, `{"a":1}`, isJSON, `"settings":{"a":1}}`},
		{"POST", path, `{"a":2}`, isJSON, `"settings":{"a":2}}`},
		{"PATCH", path, `{"b":1}`, isMerge, `"settings":{"a":2,"b":1}}`},
		{"PATCH", path, `[{"op":"remove","path":"/a"}]`, isPatch, `"settings":{"b":1}}`},
		{"PUT", path + "/c", `3`, isJSON, `"settings":{"b":1,"c":3}}`},
		{"DELETE", path + "/b", "", "", `"settings":{"c":3}}`},
		{"DELETE", path, "", "", `"deleted":true,"settings":{}}`},
		{"POST", "/user/a%2Fb/history/1/restore", "", "", `"settings":{"a":1}}`},
		{"DELETE", "/user/a%2Fb", "", "", `"deleted":true,"settings":{}}`},
	} {
		var header []string
		if write.header != "" {
			header = []string{write.header}
		}
		if a := s.do(write.method, write.path, write.body,
			header...); a.status > http.StatusNoContent && a.status != http.StatusCreated {
			t.Fatalf("%+v: %+v", write, a)
		}
		id := fmt.Sprint(i + 1)
		if e, _ := numbers.next(); e.id != id || !strings.Contains(e.data, `"time":"20`) {
			t.Errorf("%+v: %+v", write, e)
		}
		if e, _ := whole.next(); e.id != id || !strings.HasSuffix(e.data, write.has) {
			t.Errorf("%+v: %+v", write, e)
		}
	}
}
