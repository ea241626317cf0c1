package watch_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/internal/watch"
	"github.com/outset-settings/outset/pkg/messages"
)

// ledger is a database as far as a feed knows one: changes in their order.
type ledger struct {
	t    *testing.T
	nc   *nats.Conn
	feed *watch.Feed

	mu       sync.Mutex
	database string
	changes  []messages.User
	down     bool
	behind   int // of the changes, so many at the end can't be read yet
	asked    int
}

func newLedger(t *testing.T, config watch.Config) *ledger {
	t.Helper()
	nc := connectNATS(t)
	l := &ledger{t: t, nc: nc, database: "d1"}
	config.Metrics = watch.NewMetrics()
	l.feed = watch.NewFeed(nc, l, config)
	t.Cleanup(l.feed.Close)
	return l
}

func (l *ledger) Deadline(timeout time.Duration) int64 { return time.Now().Add(timeout).UnixMilli() }

// Part answers as a worker does, ten changes at a time.
func (l *ledger) Part(o *messages.Operation) messages.Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.down {
		return messages.Result{Kind: messages.KindUnavailable}
	}
	f := o.Follow
	readable := l.changes[:len(l.changes)-l.behind]
	end := messages.Position{Database: l.database, Transaction: int64(len(readable)) + 1}
	from := 0
	switch {
	case f.Now:
		return messages.Result{Position: &end}
	case f.After == nil:
	case f.After.Database != l.database:
		return messages.Result{Reset: true, More: true}
	default:
		for from < len(readable) && positionOf(l.database, readable[from]).Compare(*f.After) <= 0 {
			from++
		}
	}
	to := min(from+10, len(readable))
	r := messages.Result{Users: append([]messages.User(nil), readable[from:to]...), Position: &end}
	r.Behind = l.behind > 0
	if to < len(readable) {
		last := positionOf(l.database, readable[to-1])
		r.Position, r.More = &last, true
	}
	return r
}

func positionOf(database string, u messages.User) messages.Position {
	return messages.Position{Database: database, Transaction: u.Transaction, User: u.ID}
}

// change changes n users, and tells of it if it should.
func (l *ledger) change(n int, size int, tell bool) {
	l.mu.Lock()
	for range n {
		i := int64(len(l.changes)) + 1
		l.changes = append(l.changes, messages.User{
			ID: fmt.Sprint("u", i), Version: i, Modified: i, Transaction: i,
			Document: fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("x", size)),
		})
	}
	l.mu.Unlock()
	if tell {
		if err := l.nc.Publish(messages.ChangedSubject("x"), []byte("anything")); err != nil {
			l.t.Error(err)
		}
	}
}

// follower is the client's side.
type follower struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Scanner
}

func (l *ledger) follow(options watch.FollowOptions) *follower {
	l.t.Helper()
	return l.followWith(options, 0)
}

// followWith is follow with buffers of the system of about so many bytes; 0: the default.
func (l *ledger) followWith(options watch.FollowOptions, buffer int) *follower {
	l.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = client.Close() })
	server, err := listener.Accept()
	if err != nil {
		l.t.Fatal(err)
	}
	if buffer > 0 {
		reading, ok := client.(*net.TCPConn)
		writing, also := server.(*net.TCPConn)
		if !ok || !also || reading.SetReadBuffer(buffer) != nil ||
			writing.SetWriteBuffer(buffer) != nil {
			l.t.Fatal("the buffers stay as they are")
		}
	}
	w, err := l.feed.Join(server, options)
	if err != nil {
		l.t.Fatal(err)
	}
	w.Start(nil)
	if err := client.SetReadDeadline(time.Now().Add(ample)); err != nil {
		l.t.Fatal(err)
	}
	lines := bufio.NewScanner(client)
	lines.Buffer(nil, 1<<20)
	return &follower{l.t, client, lines}
}

// next returns the next event: its name, or the user's id; and "" at the end.
func (f *follower) next() (what string) {
	f.t.Helper()
	for f.lines.Scan() {
		name, isName := strings.CutPrefix(f.lines.Text(), "event: ")
		data, isData := strings.CutPrefix(f.lines.Text(), "data: ")
		switch {
		case isName:
			what = name
		case isData:
			var u struct{ User string }
			if err := json.Unmarshal([]byte(data), &u); err != nil {
				f.t.Fatal(err)
			}
			if what == "changed" {
				what = u.User
			}
			return what
		}
	}
	return ""
}

func (f *follower) hears(want ...string) {
	f.t.Helper()
	for _, w := range want {
		if got := f.next(); got != w {
			f.t.Fatalf("heard %q, want %q", got, w)
		}
	}
}

// TestFeed: followers get what they have missed, and then each change once, also when no
// notification comes.
func TestFeed(t *testing.T) {
	t.Parallel()
	l := newLedger(t, often)
	l.change(3, 0, false)
	one := l.follow(watch.FollowOptions{})
	one.hears("reset", "u1", "u2", "u3", "caught-up")
	at := positionOf("d1", messages.User{ID: "u2", Transaction: 2})
	two := l.follow(watch.FollowOptions{After: &at, Documents: true})
	two.hears("u3", "caught-up")
	now := l.follow(watch.FollowOptions{Now: true})
	now.hears("caught-up")
	l.change(1, 0, true)
	for _, f := range []*follower{one, two, now} {
		f.hears("u4")
	}
	l.change(25, 0, false)
	for _, f := range []*follower{one, two, now} {
		for i := range 25 {
			f.hears(fmt.Sprint("u", i+5))
		}
	}
}

// TestFeedAfterTrouble: neither workers that are away nor another database keep a follower from
// having all in the end.
func TestFeedAfterTrouble(t *testing.T) {
	t.Parallel()
	l := newLedger(t, often)
	f := l.follow(watch.FollowOptions{})
	f.hears("reset", "caught-up")
	set := func(down bool, database string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.down, l.database, l.asked = down, database, 0
	}
	set(true, "d1")
	l.change(2, 0, true)
	testwait.Until(t, ample, "it was asked for", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.asked > 2
	})
	set(false, "d1")
	f.hears("u1", "u2")
	set(false, "d2") // restored, say
	f.hears("reset", "u1", "u2", "caught-up")
	l.change(1, 0, true)
	f.hears("u3")
}

// TestFeedSlowReader: who reads too slowly is told to resume, and then the stream ends. What is
// kept meanwhile is bounded, and others get all.
func TestFeedSlowReader(t *testing.T) {
	t.Parallel()
	config := often
	config.WriteTimeout = ample
	l := newLedger(t, config)
	slow := l.followWith(watch.FollowOptions{Documents: true}, 64<<10)
	quick := l.follow(watch.FollowOptions{Documents: true})
	slow.hears("reset", "caught-up")
	quick.hears("reset", "caught-up")
	const changes, size = 150, 50_000
	for i := range changes {
		l.change(1, size, true)
		quick.hears(fmt.Sprint("u", i+1))
	}
	last, ended := "", false
	for n := 1; !ended; n++ {
		switch what := slow.next(); what {
		case fmt.Sprint("u", n):
			last = what
		case "resume":
			ended = true
		default:
			t.Fatalf("heard %q after %q", what, last)
		}
	}
	if got := slow.next(); got != "" || last == fmt.Sprint("u", changes) {
		t.Errorf("after %q and resume comes %q", last, got)
	}
	if kept := l.feed.Kept(); kept > 5<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
}

// TestFeedLimit: more followers than there may be are refused.
func TestFeedLimit(t *testing.T) {
	t.Parallel()
	l := newLedger(t, often)
	for range 32 {
		l.follow(watch.FollowOptions{Now: true})
	}
	one, other := net.Pipe()
	defer func() { _, _ = one.Close(), other.Close() }()
	if _, err := l.feed.Join(one, watch.FollowOptions{}); err != watch.ErrTooMany { //nolint:errorlint // itself
		t.Error(err)
	}
}

// TestFeedCaughtUpLater: a follower is told that it has caught up only after the changes that an
// older transaction held up.
func TestFeedCaughtUpLater(t *testing.T) {
	t.Parallel()
	l := newLedger(t, often)
	l.change(3, 0, false)
	l.behind = 2
	f := l.follow(watch.FollowOptions{})
	f.hears("reset", "u1")
	l.mu.Lock()
	l.behind = 0
	l.mu.Unlock()
	f.hears("u2", "u3", "caught-up")
	l.change(1, 0, true)
	f.hears("u4")
}

// TestFeedNeverStarted: a follower whose connection broke before its start gives its place back,
// and a late start ends the connection.
func TestFeedNeverStarted(t *testing.T) {
	t.Parallel()
	config := often
	config.ReadTimeout, config.WriteTimeout = time.Millisecond, time.Millisecond
	l := newLedger(t, config)
	one, other := net.Pipe()
	defer func() { _, _ = one.Close(), other.Close() }()
	w, err := l.feed.Join(one, watch.FollowOptions{Now: true})
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	w.OnLeave(func() { close(left) })
	select {
	case <-left:
	case <-time.After(ample):
		t.Fatal("it kept its place")
	}
	w.Start(nil)
	if _, err := other.Read(make([]byte, 1)); err == nil {
		t.Error("the stream began")
	}
}

// TestFeedLooksBecomeRare: while an older transaction goes on, looks that bring nothing wait longer
// each time.
func TestFeedLooksBecomeRare(t *testing.T) {
	t.Parallel()
	held := messages.Result{Behind: true}
	wait, behind := watch.NextLook(0, &held)
	for range 10 {
		before := wait
		if wait, behind = watch.NextLook(behind, &held); wait < min(2*before, time.Second) {
			t.Errorf("%v after %v", wait, before)
		}
	}
	if wait != time.Second {
		t.Errorf("%v in the end", wait)
	}
	if wait, _ = watch.NextLook(behind, &messages.Result{More: true}); wait != 0 {
		t.Errorf("%v though there is more", wait)
	}
}
