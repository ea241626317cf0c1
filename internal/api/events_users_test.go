package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// userEvent is the data of an event of the stream of all users.
type userEvent struct {
	User     string
	Version  int64
	Deleted  bool
	Erased   int64 `json:"erasedVersion"`
	Settings json.RawMessage
}

func (e userEvent) String() string {
	text := fmt.Sprintf("%s %d", e.User, e.Version)
	if e.Deleted {
		text += " deleted"
	}
	if e.Erased != 0 {
		text += fmt.Sprintf(" erased %d", e.Erased)
	}
	if e.Settings != nil {
		text += " " + string(e.Settings)
	}
	return text
}

// follows reads the stream up to an event with this text, and returns what came, each change once,
// and the id of the last event.
func (st *stream) follows(until string) (all []string, id string) {
	st.t.Helper()
	for {
		e, ok := st.next()
		if !ok {
			st.t.Fatalf("the stream ended before %q, after %q", until, all)
		}
		text := e.name
		if e.name == "changed" {
			var u userEvent
			if err := json.Unmarshal([]byte(e.data), &u); err != nil {
				st.t.Fatal(err)
			}
			text = u.String()
		}
		if e.id != "" {
			id = e.id
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
		if text == until {
			return all, id
		}
	}
}

func (s *system) put(user, document string) {
	s.t.Helper()
	if a := s.do(http.MethodPut, "/user/"+user+"/settings", document, isJSON); a.status != 200 {
		s.t.Fatalf("%+v", a)
	}
}

// isFollowed fails unless these are the texts, whatever their order.
func isFollowed(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestUsersEvents: the stream begins with all users and goes on with each change, of every kind. A
// client that comes back gets what it has missed.
func TestUsersEvents(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.startWorker()
	for _, id := range []string{"a", "b", "c"} {
		s.put(id, `{"n": 1}`)
	}
	s.do(http.MethodDelete, "/user/c/settings", "")
	bare, whole := s.watch(t, "/users/events"), s.watch(t, "/users/events?include=settings")
	if got := bare.answer.header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("it is %q", got)
	}
	got, _ := bare.follows("caught-up")
	if got[0] != "reset" {
		t.Errorf("it begins with %q", got)
	}
	// c was deleted before it began, which may still count as a change since
	got = slices.DeleteFunc(got, func(text string) bool { return text == "c 2 deleted" })
	isFollowed(t, got, "a 1", "b 1", "caught-up", "reset")
	whole.follows("caught-up")
	now := s.watch(t, "/users/events?after=now")
	if got, _ := now.follows("caught-up"); len(got) > 4 {
		t.Errorf("from now on: %q", got)
	}

	s.put("a", `{"n": 2}`)
	bare.follows("a 2")
	_, id := whole.follows(`a 2 {"n": 2}`)
	whole.stop()
	s.do(http.MethodDelete, "/user/a/settings", "")
	s.do(http.MethodDelete, "/user/b", "")
	s.do(http.MethodPatch, "/user/d/settings", `{"d":1}`, isMerge)
	bare.follows("d 1")
	now.follows("d 1")
	for _, how := range []string{"header", "parameter"} {
		var again *stream
		if how == "header" {
			again = s.watch(t, "/users/events?include=settings&after=now", "Last-Event-ID: "+id)
		} else {
			again = s.watch(t, "/users/events?include=settings&after="+id)
		}
		got, _ := again.follows("caught-up")
		got = slices.DeleteFunc(got, func(text string) bool { return text == `a 2 {"n": 2}` })
		isFollowed(t, got, "a 3 deleted", "b 2 deleted erased 2", "caught-up", `d 1 {"d":1}`)
	}
}

// TestUsersEventsRequests: what is asked for in the wrong way, and when nobody can answer.
func TestUsersEventsRequests(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	failed(t, s.do("GET", "/users/events", ""), http.StatusServiceUnavailable, "unavailable")
	s.startWorker()
	elsewhere := messages.Position{Database: "elsewhere", Transaction: 7}.String()
	for _, query := range []string{
		"after=x", "after=AQ", "include=all", "since=now", "after=" + elsewhere + "A",
		"after=" + messages.Position{Transaction: 7}.String(),
	} {
		s.story(t, query, exchange{
			"GET /users/events?" + query, "", "", 400, "", problem("malformed"),
		})
	}
	a := s.do(http.MethodGet, "/users/events", "", "Last-Event-ID: x")
	malformedWith(t, "the last event", a, `"x" is neither the id of an event of this stream nor now`)
	s.story(t, "no streams",
		exchange{"HEAD /users/events", "", "", 200, "Content-Type: text/event-stream", nothing},
		exchange{
			"POST /users/events", isJSON, "{}", 405, "Allow: GET, HEAD, OPTIONS",
			problem("method-not-allowed"),
		})
	s.put("a", `{}`)
	got, _ := s.watch(t, "/users/events?after="+url.QueryEscape(elsewhere)).follows("caught-up")
	isFollowed(t, got, "a 1", "caught-up", "reset")
}

// TestUsersEventsPages: a user's id may be anything, and all users come, however many they are.
func TestUsersEventsPages(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	want := []string{"caught-up", "reset"}
	var input strings.Builder
	for i := range 1200 {
		id := fmt.Sprintf("u/%d<&\u2028 é", i)
		if i%2 == 0 {
			id = fmt.Sprintf("u%d\"", i)
		} else {
			id = strings.ReplaceAll(id, "\u2028", "")
		}
		quoted, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&input, `{"user":%s,"settings":{"x":%q}}`+"\n", quoted,
			strings.Repeat("x", 1000))
		want = append(want, id+` 1 {"x":"`+strings.Repeat("x", 1000)+`"}`)
	}
	s.do("POST", "/users/import", input.String(), isLines)
	st := s.watch(t, "/users/events?include=settings")
	got, _ := st.follows("caught-up")
	isFollowed(t, got, want...)
}

// TestUsersEventsLimit: one token has so many streams and no more, and so has the API.
func TestUsersEventsLimit(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	one, other := s.service("users:list"), s.service("users:list settings:read")
	var streams []*stream
	for range 8 {
		streams = append(streams, s.watch(t, "/users/events", one))
	}
	failed(t, s.do("GET", "/users/events", "", one), http.StatusTooManyRequests, "rate-limited")
	s.watch(t, "/users/events?include=settings", other)
	streams[0].stop()
	eventually(t, "a place is free", func() bool {
		a := s.do("HEAD", "/users/events", "", one)
		return a.status == http.StatusOK
	})
}

// TestUsersEventsStop: when the API stops the streams end, and nothing of them is left.
func TestUsersEventsStop(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	base, stop := s.startAPI(apiConfig)
	s.base = base
	st := s.watch(t, "/users/events")
	st.follows("caught-up")
	stop()
	st.ended()
}

// TestUsersEventsShared: however many follow, the workers are asked once for what is new.
func TestUsersEventsShared(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	var streams []*stream
	for range 12 {
		st := s.watch(t, "/users/events?after=now")
		st.follows("caught-up")
		streams = append(streams, st)
	}
	asked := s.asks(t, messages.ActionFollow)
	const changes = 20
	for i := range changes {
		s.put("a", `{}`)
		for _, st := range streams {
			st.follows(fmt.Sprint("a ", i+1))
		}
	}
	// One look may come too early for a change, and a few come because time goes by.
	if n := asked(); n > 10*changes {
		t.Errorf("the workers were asked %d times for %d changes", n, changes)
	}
}

// asks returns a function that tells how often the workers have been asked for an action since.
func (s *system) asks(t *testing.T, action messages.Action) func() int64 {
	t.Helper()
	var asked atomic.Int64
	spy := s.dial()
	if _, err := spy.Subscribe(messages.ReadSubject, func(m *nats.Msg) {
		r, err := messages.DecodeRequest(m.Data)
		for i := range r.Operations {
			if err == nil && r.Operations[i].Action == action {
				asked.Add(1)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := spy.Flush(); err != nil {
		t.Fatal(err)
	}
	return asked.Load
}
