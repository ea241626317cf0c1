package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alecthomas/kong"
	"github.com/nats-io/nats.go"
	"golang.org/x/term"
	"golang.org/x/time/rate"
)

// NATS is where the queue is.
type NATS struct {
	URL string `name:"nats-url" env:"NATS_URL" secret:"" default:"nats://127.0.0.1:4222" placeholder:"URL" help:"the NATS server, or several, comma separated"`
	NATSIdentity
}

// String returns the addresses without user names, passwords and tokens. Of one that is not valid
// it returns nothing, since they may be anywhere in it.
func (n NATS) String() string {
	servers := strings.Split(n.URL, ",")
	for i, s := range servers {
		u, err := url.Parse(withScheme(s))
		if err != nil {
			servers[i] = "?"
			continue
		}
		servers[i] = u.Scheme + "://" + u.Host
	}
	return strings.Join(servers, ",")
}

// withScheme returns the address of a server as NATS reads it.
func withScheme(server string) string {
	if server = strings.TrimSpace(server); strings.Contains(server, "://") {
		return server
	}
	return "nats://" + server
}

// How fast a lost connection is noticed and made again. NATS's defaults (2 min, 2 s) are for
// clients that can wait.
const (
	pingInterval  = 2 * time.Second // a frozen server is left after 4 to 6 s
	maxPings      = 2
	reconnectWait = 100 * time.Millisecond
	reconnectVary = 100 * time.Millisecond
	dialTimeout   = 2 * time.Second
	writeTimeout  = 2 * time.Second // how long a frozen server can hold up a request
)

// Connect returns a connection that lasts until it is closed: a server that cannot be reached is
// tried again for ever, from the beginning too. While it is away nothing is kept to be sent later,
// since by then nobody would wait for it. The error is for an address that can never work, and for
// an identity that can't be read.
func (n NATS) Connect(name string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	identity, err := n.Options()
	if err != nil {
		return nil, err
	}
	attempts := n.attempts(log.With("connection", name))
	errs := rate.Sometimes{First: 10, Interval: time.Second} // a flood has one for every message
	var made atomic.Pointer[nats.Conn]
	options := []nats.Option{
		nats.Name(name),
		nats.Timeout(dialTimeout),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(int) time.Duration {
			// The handlers aren't told of a server that refuses a first connection.
			if nc := made.Load(); nc != nil {
				attempts.failed(nc.LastError())
			}
			return reconnectWait + rand.N(reconnectVary) //nolint:gosec // no secret
		}),
		nats.ReconnectBufSize(-1),
		// Each message is a batch, so it is sent at once by the goroutine that publishes it. By
		// default another goroutine collects messages, and is woken for each.
		nats.WriteBufferSize(1),
		nats.FlusherTimeout(writeTimeout),
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		nats.ConnectHandler(func(nc *nats.Conn) {
			log.Info("NATS connected", "connection", name, "url", nc.ConnectedUrlRedacted())
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("NATS connected again", "connection", name, "url", nc.ConnectedUrlRedacted())
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil: closed by us
				log.Warn("NATS connection lost", "connection", name, "error", err)
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			attempts.failed(err)
		}),
		nats.ErrorHandler(func(nc *nats.Conn, sub *nats.Subscription, err error) {
			if sub == nil && !nc.IsConnected() {
				attempts.failed(err)
				return
			}
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			errs.Do(func() { log.Error("NATS", "error", err, "subject", subject) })
		}),
	}
	if n.NKey != "" {
		identity = append(identity, n.newKey(&made))
	}
	nc, err := nats.Connect(n.URL, slices.Concat(options, identity, more)...)
	if err != nil {
		return nil, fmt.Errorf("NATS_URL: %w", err)
	}
	made.Store(nc)
	return nc, nil
}

// Check refuses an address that NATS would try for ever in vain.
func (n NATS) Check() error {
	for server := range strings.SplitSeq(n.URL, ",") {
		u, err := url.Parse(withScheme(server))
		switch {
		case err != nil && strings.Contains(n.URL, "@"):
			return errors.New("NATS_URL: this is not a valid address of a NATS server (it isn't " +
				"shown, since it may have a password, whose special characters must be " +
				"percent-encoded)")
		case err != nil:
			return fmt.Errorf("NATS_URL: %w", err)
		case !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
			return fmt.Errorf(
				"NATS_URL: %s:// is not for NATS; nats://, tls://, ws:// and wss:// are", u.Scheme,
			)
		}
	}
	return nil
}

// errClosed ends a program whose connection to NATS will not come back.
var errClosed = errors.New("NATS closed the connection for good")

// UntilClosed returns a context that ends with ctx, or when the connection is closed other than by
// a call of Close. NATS does so after some errors, and the program could do nothing any more. The
// option is for Connect; WhyClosed returns the reason.
func UntilClosed(ctx context.Context) (context.Context, nats.Option) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, func(o *nats.Options) error {
		o.NoCallbacksAfterClientClose = true
		o.ClosedCB = func(nc *nats.Conn) {
			cause := errClosed
			if err := nc.LastError(); err != nil {
				cause = fmt.Errorf("%w: %w", errClosed, err)
			}
			cancel(cause)
		}
		return nil
	}
}

// WhyClosed returns an error if the context of UntilClosed ended because of the connection.
func WhyClosed(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, errClosed) {
		return cause
	}
	return nil
}

// Common are the settings of every program that serves.
type Common struct {
	Version kong.VersionFlag `help:"print the version and exit"`
	Log
}

// Log is what is logged, and how.
type Log struct {
	Level  slog.Level `name:"log-level" env:"LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error; debug has a line for every request"`
	Format string     `name:"log-format" env:"LOG_FORMAT" enum:"auto,text,json" default:"auto" placeholder:"FORMAT" help:"text, json, or auto: text on a terminal and json elsewhere"`
}

// Logger returns the program's logger, which writes to standard error.
func (l Log) Logger() *slog.Logger {
	return slog.New(l.handler(os.Stderr, term.IsTerminal(int(os.Stderr.Fd()))))
}

func (l Log) handler(w io.Writer, terminal bool) slog.Handler {
	options := &slog.HandlerOptions{Level: l.Level, ReplaceAttr: withUnit}
	if l.Format == "text" || l.Format == "auto" && terminal {
		return slog.NewTextHandler(w, options)
	}
	return slog.NewJSONHandler(w, options)
}

// withUnit writes durations as people do. In JSON they would be bare nanoseconds.
func withUnit(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
