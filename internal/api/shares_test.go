package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/pkg/messages"
)

// What one client may take of what is there for all. Clients of these tests have the addresses that
// a trusted proxy names.

// from is the header that names a client's address.
func from(client int) string { return fmt.Sprintf("X-Forwarded-For: 203.0.113.%d", client) }

// newProxied returns a system whose API believes who its clients are, and has so many bytes for
// bodies; 0: the default.
func newProxied(t testing.TB, bodyBytes int64, change ...func(*api.Config)) *system {
	t.Helper()
	s := newSystem(t, apiConfig)
	config := apiConfig
	config.TrustedProxies = []string{"127.0.0.1"}
	for _, f := range change {
		f(&config)
	}
	s.api, s.base, _ = s.startWith(config, timing, bodyBytes)
	return s
}

// open sends a request, or its beginning, on a connection of its own.
func (s *system) open(t *testing.T, request string) net.Conn {
	t.Helper()
	conn := s.dialRaw(t)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestAnnouncedBodies: 39 clients announce 270 MB in batches and send little. They hold about what
// they have sent, of 256 MB that there are, and nobody is refused.
func TestAnnouncedBodies(t *testing.T) {
	t.Parallel()
	s := newProxied(t, 0)
	s.startSource()
	const sent = 16 << 10
	var slow []net.Conn
	for range 39 {
		slow = append(slow, s.open(t, rawHead("POST /batch HTTP/1.1", "Host: x", isJSON, from(1),
			"Content-Length: 6900000")+strings.Repeat(" ", sent)))
	}
	eventually(t, "what was sent has arrived", func() bool { return s.api.BodyBytes() >= 39*sent })
	refused := 0
	for range 20 {
		for client := range 2 { // one of them beside the others at their address
			a := s.do("POST", "/batch", `{"operations":[`+aGet+`]}`, isJSON, from(client))
			if a.status != http.StatusOK {
				refused++
			}
		}
	}
	if held := s.api.BodyBytes(); refused > 0 || held > 39*2*sent {
		t.Errorf("%d were refused, %d bytes are held", refused, held)
	}
	for _, conn := range slow {
		_ = conn.Close()
	}
	eventually(t, "all is given back", func() bool { return s.api.BodyBytes() == 0 })
}

// TestBodiesOfOneClient: one client's bodies take half of what there is for all, and a second one
// is served.
func TestBodiesOfOneClient(t *testing.T) {
	t.Parallel()
	const budget = 1 << 20
	s := newProxied(t, budget)
	s.startWorker()
	document := `{"x":"` + strings.Repeat("x", 64<<10-8) + `"}`
	put := func(client int) answer {
		return s.do("PUT", "/user/42/settings", document, isJSON, from(client))
	}
	half := rawHead("PUT /user/42/settings HTTP/1.1", "Host: x", isJSON, from(1),
		fmt.Sprint("Content-Length: ", len(document))) + document[:len(document)-1]
	var held []net.Conn
	for s.api.BodyBytes()+64<<10 <= budget/2 {
		before := s.api.BodyBytes()
		held = append(held, s.open(t, half))
		eventually(t, "it has arrived", func() bool { return s.api.BodyBytes() >= before+64<<10 })
	}
	failed(t, put(1), http.StatusServiceUnavailable, string(messages.KindOverloaded))
	if a := put(2); a.status != http.StatusOK && a.status != http.StatusCreated {
		t.Errorf("another client: %d %s", a.status, a.body)
	}
	if got := s.api.BodyBytes(); got > budget/2 {
		t.Errorf("%d bytes are held", got)
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	eventually(t, "all is given back", func() bool { return s.api.BodyBytes() == 0 })
	for range 20 { // which would take all of it, if they gave nothing back
		if a := put(1); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
}

// TestImportsOfOneClient: one client's imports, which never end, leave places to others.
func TestImportsOfOneClient(t *testing.T) {
	t.Parallel()
	s := newProxied(t, 0)
	s.startWorker()
	begun := rawHead("POST /users/import HTTP/1.1", "Host: x", isLines, from(1),
		"Transfer-Encoding: chunked") + "3\r\n{}\n\r\n"
	for n := range 4 {
		heard(t, s.open(t, begun), fmt.Sprintf("import %d", n), "200 OK")
	}
	heard(t, s.open(t, begun), "one more", "503 Service Unavailable")
	refused := 0
	for range 20 {
		if a := s.do("POST", "/users/import", `{"user":"7","settings":{}}`+"\n", isLines,
			from(2)); !strings.Contains(a.body, `"applied":1`) {
			refused++
		}
	}
	if refused > 0 {
		t.Errorf("%d of another client were refused", refused)
	}
}

// heard fails the test unless the answer begins with this status.
func heard(t *testing.T, conn net.Conn, what, status string) {
	t.Helper()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, status) {
		t.Fatalf("%s: %q, %v", what, line, err)
	}
}

// TestExportsOfOneClient: one client's exports, which nobody reads, leave places to others.
func TestExportsOfOneClient(t *testing.T) {
	t.Parallel()
	s := newProxied(t, 0)
	s.startFake(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		part := partOf(r.Operations[0].List, 10_000_000) // more than any buffer takes
		return &messages.Reply{Results: []messages.Result{part}}
	})
	export := func(client int) string {
		return rawHead("GET /users/export HTTP/1.1", "Host: x", from(client))
	}
	for n := range 16 {
		heard(t, s.open(t, export(1)), fmt.Sprintf("export %d", n), "200 OK")
	}
	heard(t, s.open(t, export(1)), "one more", "503 Service Unavailable")
	for n := range 8 {
		heard(t, s.open(t, export(2)), fmt.Sprintf("another client's %d", n), "200 OK")
	}
}

// TestWatchersOfOneClient: the same of those who watch, whether one user or all.
func TestWatchersOfOneClient(t *testing.T) {
	t.Parallel()
	s := newProxied(t, 0, func(c *api.Config) { c.MaxWatchers = 8 })
	s.startWorker()
	for _, path := range []string{"/user/42/events", "/users/events", "/user/43/events", "/users/events"} {
		if st := s.watch(t, path, from(1)); st.answer.status != http.StatusOK {
			t.Fatalf("%s: %+v", path, st.answer)
		}
	}
	failed(t, s.do("GET", "/user/42/events", "", from(1)), http.StatusServiceUnavailable,
		string(messages.KindOverloaded))
	failed(t, s.do("GET", "/users/events", "", from(1)), http.StatusServiceUnavailable,
		string(messages.KindOverloaded))
	last := s.watch(t, "/user/42/events", from(2))
	if last.answer.status != http.StatusOK {
		t.Fatalf("another client: %+v", last.answer)
	}
	last.stop()
	eventually(t, "places are given back", func() bool {
		st := s.watch(t, "/users/events", from(2))
		defer st.stop()
		return st.answer.status == http.StatusOK
	})
}
