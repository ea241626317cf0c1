package program

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/testlog"
)

// freeAddr returns an address that a server can take, leave and take again. The range is below the
// ports that systems give to connections, which would now and then take it in between.
func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.IntN(10000)))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
}

func startServer(t *testing.T, addr string, more ...func(*server.Options)) *server.Server {
	t.Helper()
	u := url.URL{Host: addr}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	o := &server.Options{Host: u.Hostname(), Port: port, NoLog: true, NoSigs: true}
	for _, f := range more {
		f(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { stopServer(s) })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server did not start")
	}
	return s
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

func connect(t *testing.T, addr string, log *testlog.Buffer, more ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := NATS{URL: "nats://" + addr}.Connect("test", log.Logger(), more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// publishAway publishes where no server is, which must fail at once.
func publishAway(t *testing.T, nc *nats.Conn, text string) {
	t.Helper()
	if err := nc.Publish("news", []byte(text)); !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("published while the server is away: %v", err)
	}
	if _, err := nc.RequestWithContext(t.Context(), "news", []byte(text)); !errors.Is(err,
		nats.ErrReconnectBufExceeded) {
		t.Errorf("asked while the server is away: %v", err)
	}
}

// first returns the first message that comes after the connection is there again, published until
// one does.
func first(t *testing.T, nc *nats.Conn, sub *nats.Subscription, text string) string {
	t.Helper()
	var got string
	eventually(t, "a message arrives", func() bool {
		// The subscription may come to the server after the message: then the next one arrives.
		if err := nc.Publish("news", []byte(text)); err != nil {
			return false
		}
		m, err := sub.NextMsg(100 * time.Millisecond)
		if err != nil {
			return false
		}
		got = string(m.Data)
		return true
	})
	return got
}

func TestServerComesLater(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	var log testlog.Buffer
	nc := connect(t, addr, &log)
	eventually(t, "its absence is logged", func() bool {
		return strings.Contains(log.String(), "no connection to NATS")
	})
	sub, err := nc.SubscribeSync("news") // who subscribes before isn't forgotten
	if err != nil {
		t.Fatal(err)
	}
	publishAway(t, nc, "too early")
	startServer(t, addr)
	if got := first(t, nc, sub, "now"); got != "now" {
		t.Errorf("got %q", got)
	}
	eventually(t, "it is logged", func() bool {
		return strings.Contains(log.String(), "NATS connected")
	})
}

func TestServerComesAgain(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	s := startServer(t, addr)
	var log testlog.Buffer
	nc := connect(t, addr, &log)
	sub, err := nc.SubscribeSync("news")
	if err != nil {
		t.Fatal(err)
	}
	if got := first(t, nc, sub, "before"); got != "before" {
		t.Errorf("got %q", got)
	}
	for drained := false; !drained; { // first may have published more than one
		_, err := sub.NextMsg(time.Millisecond)
		drained = errors.Is(err, nats.ErrTimeout) && nc.Flush() == nil
	}

	stopServer(s)
	eventually(t, "the loss is noticed", func() bool { return !nc.IsConnected() })
	publishAway(t, nc, "meanwhile")
	s = startServer(t, addr)
	eventually(t, "it is connected again", nc.IsConnected)
	if got := first(t, nc, sub, "after"); got != "after" {
		t.Errorf("got %q, which was sent late", got)
	}
	// NATS calls back in its own time
	for _, line := range []string{"NATS connection lost", "NATS connected again"} {
		eventually(t, line+" is logged", func() bool {
			return strings.Contains(log.String(), line)
		})
	}
	nc.Close()
	eventually(t, "the server sees it leave", func() bool { return s.NumClients() == 0 })
	if n := strings.Count(log.String(), "NATS connection lost"); n != 1 {
		t.Errorf("%d losses in the log; to close it is none: %s", n, &log)
	}
}

// TestLossIsNoticedSoon: two seconds after the server is back all must be well, and of a server
// that is frozen a client knows after two pings. To measure that would take as long.
func TestLossIsNoticedSoon(t *testing.T) {
	t.Parallel()
	var log testlog.Buffer
	o := connect(t, freeAddr(t), &log).Opts
	if wait := o.CustomReconnectDelayCB(1); wait > 500*time.Millisecond {
		t.Errorf("%v between two attempts", wait)
	}
	if silence := o.PingInterval * time.Duration(o.MaxPingsOut+1); silence > 15*time.Second {
		t.Errorf("%v until silence is noticed", silence)
	}
}

// TestPasswordComesLater: a server that refuses us may be one whose configuration is just changing.
func TestPasswordComesLater(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	var log testlog.Buffer
	password := func(p string) func(*server.Options) {
		return func(o *server.Options) { o.Username, o.Password = "worker", p }
	}
	s := startServer(t, addr, password("old"))
	nc := connect(t, addr, &log, nats.UserInfo("worker", "new"))
	eventually(t, "it is refused more than twice, at which NATS by default gives up", func() bool {
		return nc.Stats().Reconnects > 4 // so it counts attempts that came as far as the password
	})
	stopServer(s)
	startServer(t, addr, password("new"))
	eventually(t, "it is connected", nc.IsConnected)
}

// TestRefusalsAreLogged: the log names the setting at once, whatever was wrong before, and not at
// each attempt.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	const reason = "neither NATS_NKEY nor NATS_CREDS is set"
	refusing := func(o *server.Options) { o.Username, o.Password = "worker", "secret" }
	type begin func(t *testing.T, addr string, log *testlog.Buffer) *nats.Conn
	for name, before := range map[string]begin{
		"from the beginning": func(t *testing.T, addr string, log *testlog.Buffer) *nats.Conn {
			startServer(t, addr, refusing)
			return connect(t, addr, log)
		},
		"once it is there": func(t *testing.T, addr string, log *testlog.Buffer) *nats.Conn {
			nc := connect(t, addr, log)
			eventually(t, "its absence is logged", func() bool {
				return strings.Contains(log.String(), "no connection to NATS")
			})
			startServer(t, addr, refusing)
			return nc
		},
		"once it is there again": func(t *testing.T, addr string, log *testlog.Buffer) *nats.Conn {
			s := startServer(t, addr)
			nc := connect(t, addr, log)
			stopServer(s)
			startServer(t, addr, refusing)
			return nc
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log testlog.Buffer
			nc := before(t, freeAddr(t), &log)
			eventually(t, "it is logged", func() bool { return strings.Contains(log.String(), reason) })
			refused := nc.Stats().Reconnects
			eventually(t, "it is refused ten times more", func() bool {
				return nc.Stats().Reconnects > refused+10
			})
			if n := strings.Count(log.String(), "uthorization"); n > 3 { // there is one in 30 s
				t.Errorf("%d lines: %s", n, &log)
			}
		})
	}
}

// TestSecretsStayOutOfTheLog: a URL may have a password in it.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	const secret = "hush-hush"
	addr := freeAddr(t)
	password := func(o *server.Options) { o.Username, o.Password = "worker", secret }
	s := startServer(t, addr, password)
	var log testlog.Buffer
	nc := connect(t, "worker:"+secret+"@"+addr, &log)
	eventually(t, "it is connected", nc.IsConnected)
	stopServer(s)
	eventually(t, "an attempt is logged", func() bool {
		return strings.Contains(log.String(), "no connection to NATS")
	})
	startServer(t, addr, password)
	eventually(t, "it is connected again", nc.IsConnected)
	if strings.Contains(log.String(), secret) {
		t.Errorf("the password is in the log: %s", &log)
	}
}

func TestImpossibleURL(t *testing.T) {
	t.Parallel()
	var log testlog.Buffer
	for _, u := range []string{"nats://[::1", "nats://127.0.0.1:port", "nats://a b"} {
		nc, err := NATS{URL: u}.Connect("test", log.Logger())
		if err == nil {
			nc.Close()
			t.Errorf("%s: tried for ever", u)
		}
	}
}
