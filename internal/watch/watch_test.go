package watch_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	natstest "github.com/nats-io/nats-server/v2/test"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/internal/testmetrics"
	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/internal/watch"
	"github.com/outset-settings/outset/pkg/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ample is far more time than anything takes.
const ample = 3 * time.Minute

// seldom has no check during a test, often has them all the time.
var (
	seldom = watch.Config{MaxWatchers: 10, Heartbeat: time.Hour, ReadTimeout: ample, WriteTimeout: ample}
	often  = watch.Config{MaxWatchers: 10, Heartbeat: 20 * time.Millisecond, ReadTimeout: ample, WriteTimeout: ample}
)

// source has the users' documents, reads them for the hub and publishes their changes.
type source struct {
	t       *testing.T
	hub     *watch.Hub
	metrics *watch.Metrics
	nc      *nats.Conn

	mu    sync.Mutex
	users map[string]messages.Result
	reads map[messages.Action]int
	down  bool
}

// connectNATS returns a connection to a NATS server of the test's own.
func connectNATS(t *testing.T) *nats.Conn {
	t.Helper()
	options := natstest.DefaultTestOptions
	options.Port = -1
	server := natstest.RunServer(&options)
	t.Cleanup(server.WaitForShutdown)
	t.Cleanup(server.Shutdown)
	nc, err := nats.Connect(server.ClientURL(), nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// newSource returns a source with a hub on a NATS server of their own.
func newSource(t *testing.T, config watch.Config) *source {
	t.Helper()
	nc := connectNATS(t)
	s := &source{
		t: t, nc: nc, users: make(map[string]messages.Result), reads: make(map[messages.Action]int),
	}
	s.metrics = watch.NewMetrics()
	config.Metrics = s.metrics
	s.hub = watch.New(nc, s, config, new(testlog.Buffer).Logger())
	t.Cleanup(s.hub.Close)
	return s
}

func (s *source) Deadline(timeout time.Duration) int64 { return time.Now().Add(timeout).UnixMilli() }

// Go reads as a queue does.
func (s *source) Go(o *messages.Operation, done func(messages.Result)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads[o.Action]++
	r, ok := s.users[o.User]
	r.Absent = r.Absent || !ok
	if o.Action == messages.ActionReadNumber {
		r.Document = nil
	}
	if s.down {
		r = messages.Result{Kind: messages.KindUnavailable}
	}
	go done(r)
}

func (s *source) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *source) read(action messages.Action) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads[action]
}

// set makes a version without telling of it; a document "" is none.
func (s *source) set(user string, version int64, document string) messages.Changed {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := messages.Result{
		Version: version, Modified: version, Document: []byte(document), Absent: document == "",
	}
	s.users[user] = r
	return messages.Changed{Version: r.Version, Modified: r.Modified, Absent: r.Absent}
}

// publish tells of changes.
func (s *source) publish(user string, changes ...messages.Changed) {
	s.t.Helper()
	for _, c := range changes {
		data, err := messages.EncodeChanged(c)
		if err == nil {
			err = s.nc.Publish(messages.ChangedSubject(user), data)
		}
		if err != nil {
			s.t.Error(err)
		}
	}
}

// client is the other end of a watcher's connection.
type client struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Scanner
}

// connect returns both ends of a connection.
func connect(t *testing.T) (server net.Conn, c *client) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(ample))
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	return server, &client{t, conn, lines}
}

// watch starts a watcher of a user, at the state that the source has now.
func (s *source) watch(user string, documents bool) *client {
	s.t.Helper()
	server, c := connect(s.t)
	w, err := s.hub.Join(server, user, documents)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	r := s.users[user]
	s.mu.Unlock()
	w.Start([]byte("head\n"), &r, "")
	return c
}

// next is the data of the next event, or "" at the end.
func (c *client) next() string {
	for c.lines.Scan() {
		if data, ok := strings.CutPrefix(c.lines.Text(), "data: "); ok {
			return data
		}
	}
	return ""
}

// version is the version that the next event tells of, or -1 at the end.
func (c *client) version() int64 {
	number, _, _ := strings.Cut(strings.TrimPrefix(c.next(), `{"version":`), ",")
	v, err := strconv.ParseInt(strings.TrimSuffix(number, "}"), 10, 64)
	if err != nil {
		return -1
	}
	return v
}

func (c *client) hears(versions ...int64) {
	c.t.Helper()
	for _, want := range versions {
		if got := c.version(); got != want {
			c.t.Fatalf("heard of version %d, want %d", got, want)
		}
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, ample, what, condition)
}

// TestNotification: each change is told once, in order, to those who watch the user.
func TestNotification(t *testing.T) {
	t.Parallel()
	s := newSource(t, seldom)
	one, two := s.watch("a", false), s.watch("b", false)
	one.hears(0)
	two.hears(0)
	first := s.set("a", 1, `{}`)
	s.publish("a", first, first, s.set("a", 2, ""), first)
	s.publish("b", s.set("b", 7, `{}`))
	one.hears(1, 2)
	two.hears(7)
}

// TestDocument: one read serves all watchers who want the document.
func TestDocument(t *testing.T) {
	t.Parallel()
	s := newSource(t, seldom)
	var clients []*client
	for range 5 {
		clients = append(clients, s.watch("a", true))
	}
	for _, c := range clients {
		c.hears(0)
	}
	s.publish("a", s.set("a", 1, "{\"a\":\r\n1}"))
	for _, c := range clients {
		if got := c.next(); !strings.HasSuffix(got, `"settings":{"a":`) { // the rest is another line
			t.Errorf("heard %s", got)
		}
	}
	if n := s.read(messages.ActionRead); n != 1 {
		t.Errorf("%d reads", n)
	}
}

// TestLostNotification: a change without a notification is found by a check.
func TestLostNotification(t *testing.T) {
	t.Parallel()
	s := newSource(t, often)
	number, document := s.watch("a", false), s.watch("a", true)
	number.hears(0)
	document.hears(0)
	s.set("a", 5, `{}`)
	number.hears(5)
	document.hears(5)
}

// TestFailedRead: a document that could not be read is read again.
func TestFailedRead(t *testing.T) {
	t.Parallel()
	s := newSource(t, often)
	c := s.watch("a", true)
	c.hears(0)
	s.setDown(true)
	s.publish("a", s.set("a", 1, `{}`))
	eventually(t, "a read failed", func() bool { return s.read(messages.ActionRead) > 0 })
	s.setDown(false)
	c.hears(1)
}

// TestRestoredBackup: where versions have gone back, there is a document read for each news and no
// endless loop of them.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	s := newSource(t, seldom)
	c := s.watch("a", true)
	c.hears(0)
	s.set("a", 3, `{}`)
	s.publish("a", messages.Changed{Version: 9})
	c.hears(3)
	s.set("a", 10, `{}`)
	s.publish("a", messages.Changed{Version: 10})
	c.hears(10)
	if n := s.read(messages.ActionRead); n != 2 {
		t.Errorf("%d reads", n)
	}
}

// TestSlowWatcher: a client that reads nothing for long gets the latest document, and has kept
// nobody waiting.
func TestSlowWatcher(t *testing.T) {
	t.Parallel()
	s := newSource(t, seldom)
	slow, fast := s.watch("a", true), s.watch("a", false)
	fast.hears(0)
	const last = 300 // far more than the buffers between the two hold
	for v := int64(1); v <= last; v++ {
		s.publish("a", s.set("a", v, fmt.Sprintf(`{"x":"%s"}`, strings.Repeat("x", 60<<10))))
		fast.hears(v)
	}
	behind := func() float64 {
		return testmetrics.Of(t, s.metrics.All())[`outset_api_streams_behind{of="user"}`]
	}
	eventually(t, "one is behind", func() bool { return behind() == 1 })
	for v := int64(0); v < last; {
		if v = slow.version(); v < 0 {
			t.Fatal("the connection ended before the last version")
		}
	}
	eventually(t, "none is behind", func() bool { return behind() == 0 })
}

// TestLimit: one watcher too many is refused, until another leaves.
func TestLimit(t *testing.T) {
	t.Parallel()
	config := often
	config.MaxWatchers = 1
	s := newSource(t, config)
	c := s.watch("a", false)
	c.hears(0)
	server, _ := connect(t)
	if _, err := s.hub.Join(server, "b", false); !errors.Is(err, watch.ErrTooMany) {
		t.Errorf("the second: %v", err)
	}
	_ = c.conn.Close()
	eventually(t, "a heartbeat finds that the client has gone", func() bool {
		w, err := s.hub.Join(server, "b", false)
		if err == nil {
			w.Leave()
		}
		return err == nil
	})
}

// TestClose: all connections end, and nobody can watch any more.
func TestClose(t *testing.T) {
	t.Parallel()
	s := newSource(t, seldom)
	c := s.watch("a", false)
	c.hears(0)
	server, _ := connect(t)
	w, err := s.hub.Join(server, "a", false)
	if err != nil {
		t.Fatal(err)
	}
	s.hub.Close()
	if got := c.next(); got != "" {
		t.Errorf("after the end: %s", got)
	}
	w.Start(nil, &messages.Result{}, "")
	if _, err := server.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a watcher that started too late: %v", err)
	}
	if _, err := s.hub.Join(server, "a", false); !errors.Is(err, watch.ErrClosed) {
		t.Errorf("Join: %v", err)
	}
}
