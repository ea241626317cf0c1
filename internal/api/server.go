// Package api is the HTTP side of Outset: it turns requests into operations for the queue, and
// their results into answers. It keeps no state and has no database, so any number of APIs may run
// side by side.
//
// The path of a request: routes.go → a handler → internal/queue, which asks the workers. On the
// way back problem.go turns the kind of a failure into a status.
package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	// fiber requires a version that allows request smuggling; go.mod must require a later one.
	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/edge"
	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/internal/queue"
	"github.com/outset-settings/outset/internal/watch"
	"github.com/outset-settings/outset/pkg/messages"
)

// The limits of HTTP that are not settings.
const (
	minDocument  = 1 << 10 // least MAX_DOCUMENT_BYTES
	maxHeaders   = 8 << 10 // bytes of the request line and the headers
	minHeartbeat = 100 * time.Millisecond
	// A request that has begun when the API stops may take REQUEST_TIMEOUT and this long to arrive
	// and to be answered.
	stopTimeout = 5 * time.Second
)

// timing has the times that are not settings. Tests use shorter ones.
type timing struct {
	// How long an API that stops goes on serving. Meanwhile /readyz says that it stops, and each
	// answer ends its connection. Without it the connections of 14 of 64 busy clients ended when
	// their next request was on its way.
	farewell time.Duration
	// How long a client may take to receive an answer. Streams have streamTimeout instead.
	write time.Duration
	// How long a stream retries after a temporary failure, and the pause between attempts.
	persistence, persistencePause time.Duration
	// How long a worker has to answer before it is asked again; 0: the queue's default.
	attempt time.Duration
	// How long what is left in the queue may take when all connections have ended.
	leftover time.Duration
	// How long the answer of /readyz is kept, unless the API stops.
	readyFor time.Duration
	// By which clock the rates count, and how an answer waits for its time.
	now   func() time.Time
	sleep func(time.Duration)
}

var defaultTiming = timing{
	farewell: 500 * time.Millisecond, write: 10 * time.Second,
	persistence: 30 * time.Second, persistencePause: 200 * time.Millisecond,
	leftover: stopTimeout, readyFor: time.Second, now: time.Now,
	sleep: time.Sleep,
}

// Server is an API.
type Server struct {
	id        string // of this process, as others have the same routes
	started   time.Time
	config    Config
	front     front
	origins   origins
	nc        Connections
	log       *slog.Logger
	app       *fiber.App
	handle    fasthttp.RequestHandler // the app's
	queue     *queue.Queue
	hub       *watch.Hub
	feed      *watch.Feed
	streams   streams
	exports   *access.Shares
	imports   *access.Shares
	trials    *access.Shares
	watchers  *access.Shares
	bodies    *access.Shares // in bytes
	limits    *edge.Kept[[]byte]
	pool      *edge.Kept[[]pool.Worker]
	readiness *edge.Kept[struct{}]
	listener  *listener
	listeners []*listener // the same, and that of ServeOn
	stopping  atomic.Bool
	timing    timing
	metrics   *serverMetrics

	auth      *access.Authenticator // nil: no tokens are asked for
	limiter   *access.Limiter
	refusals  *access.Pace   // in bytes
	watching  *access.Places // of streams of events
	batching  *access.Places // of multi-requests
	following *access.Places // of streams of all users' changes
	// A flood of bad tokens must not fill the log.
	sometimesUnauthentic rate.Sometimes

	// In an outage thousands of requests fail each second. It limits their log lines.
	sometimes rate.Sometimes
}

// Listen returns a server that listens on the configured address, so that an address in use is an
// error at once. It answers requests in Run only.
func Listen(nc Connections, config Config, log *slog.Logger) (*Server, error) {
	return listen(nc, config, defaultTiming, log)
}

func listen(nc Connections, config Config, timing timing, log *slog.Logger) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.MaxDocument == 0 {
		return nil, errors.New("MAX_DOCUMENT_BYTES is missing")
	}
	origins, err := parseOrigins(config.CORSOrigins)
	if err != nil {
		return nil, err
	}
	front, err := config.open(config.HTTPAddr, log)
	if err != nil {
		return nil, err
	}
	l, err := edge.Listen("HTTP_ADDR", "--http", config.HTTPAddr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() &&
		config.Auth != authNone && !config.required() {
		_ = l.Close()
		return nil, fmt.Errorf("HTTP_ADDR: %s can be reached from other machines and there is no "+
			"authentication; set AUTH=required, or AUTH=none if that is what you want",
			config.HTTPAddr)
	}
	s := &Server{
		id: rand.Text(), started: time.Now().UTC(),
		config: config, front: front, origins: origins, nc: nc, log: log, timing: timing,
		metrics: newServerMetrics(),
		queue: queue.New(nc.Requests, queue.Config{
			WorkerGrace: config.WorkerGrace, AttemptTimeout: timing.attempt, Tracer: config.Tracer,
		}, log),
		listener: newListener(front.wrap(l), config.ReadTimeout,
			newAdmission(config.MaxConnections, front.proxies)),
		exports: access.NewShares(maxExports), imports: access.NewShares(maxImports),
		trials:    access.NewShares(maxTrials),
		watchers:  access.NewShares(int64(config.MaxWatchers)),
		bodies:    access.NewShares(bodyBudget),
		sometimes: rate.Sometimes{First: 100, Interval: 100 * time.Millisecond},
		limiter:   access.NewLimiter(config.UserRate, config.TokenRate),
		refusals:  access.NewPace(refusalRate*runtime.GOMAXPROCS(0), longestRefusal),
		watching:  access.NewPlaces(maxUserStreams),
		batching:  access.NewPlaces(maxUserMultis),
		following: access.NewPlaces(maxTokenFollows),

		sometimesUnauthentic: rate.Sometimes{First: 10, Interval: time.Second},
	}
	s.listeners = []*listener{s.listener}
	if s.auth, err = config.authenticator(s.workersTokens, log); err == nil {
		s.app, err = s.routes()
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	s.limits = edge.Keep(limitsFor, false, s.askLimits)
	s.pool = edge.Keep(poolFor, false, s.askPool)
	s.readiness = edge.Keep(timing.readyFor, true, func() (struct{}, error) {
		return struct{}{}, s.checkReady()
	})
	return s, nil
}

// Addr is the address that the server listens on, with its actual port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the address with its scheme, http or https.
func (s *Server) URL() string { return s.front.scheme() + "://" + s.Addr() }

// Run answers requests until ctx ends, and stops as follows. For a moment it goes on serving, and
// every answer ends its connection. Then it accepts no more connections, and ends those that wait
// for a request. A request of which it has read a byte is answered, whatever the load, if it
// arrives and its answer is received within REQUEST_TIMEOUT plus stopTimeout.
//
// So a client can only lose a request that it sends while its connection ends. It sees the
// connection end without an answer, or can't connect. The request was not carried out, and may be
// sent to another API.
func (s *Server) Run(ctx context.Context) error {
	if err := s.queue.Start(ctx); err != nil {
		_ = s.listener.Close()
		return fmt.Errorf("subscribing: %w", err)
	}
	watching := watch.Config{
		MaxWatchers: s.config.MaxWatchers, Heartbeat: s.config.EventsHeartbeat,
		ReadTimeout: s.config.RequestTimeout, WriteTimeout: s.timing.write,
		Metrics: s.metrics.watch,
	}
	s.hub = watch.New(s.nc.Changes, s.queue, watching, s.log)
	defer s.hub.Close()
	watching.WriteTimeout = streamTimeout // a follower is sent much at once
	s.feed = watch.NewFeed(s.nc.Changes, s.queue, watching)
	defer s.feed.Close()
	defer s.front.watch(ctx)()

	stopAuth := s.startAuth(ctx)
	defer stopAuth()
	served := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { served <- s.app.Listener(l) }()
	}
	s.log.Info("api listening", "addr", s.Addr(), "scheme", s.front.scheme())
	if most := s.nc.Requests.MaxPayload(); s.nc.Requests.IsConnected() && most < messages.MinPayload {
		s.log.Error("the NATS server's max_payload is too small",
			"max_payload", most, "least", messages.MinPayload)
	}
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serving HTTP: %w", err), s.closeListeners(), s.queue.Close(ctx))
	case <-ctx.Done():
	}

	s.stopping.Store(true)
	time.Sleep(s.timing.farewell)
	s.hub.Close() // early, so that clients reconnect elsewhere at once
	s.feed.Stop()
	s.streams.stop()
	err := s.stopServing(served)
	stopAuth()
	err = errors.Join(err, s.closeQueue(context.WithoutCancel(ctx)))
	s.log.Info("api stopped")
	return err
}

// stopServing waits for the requests under way. It gives up clients that are too slow to receive
// their answers, which is no failure.
func (s *Server) stopServing(served <-chan error) error {
	err := s.closeListeners()
	for _, l := range s.listeners {
		err = errors.Join(err, <-served)
		l.retire()
	}
	patience, cancel := context.WithTimeout(context.Background(), s.config.RequestTimeout+stopTimeout)
	defer cancel()
	for _, l := range s.listeners {
		select {
		case <-l.empty:
		case <-patience.Done():
			s.log.Warn("closed connections of clients that were too slow to receive their answers")
			l.abort()
		}
	}
	stopErr := s.app.ShutdownWithTimeout(stopTimeout)
	if errors.Is(stopErr, context.DeadlineExceeded) {
		return err
	}
	return errors.Join(err, stopErr)
}

func (s *Server) closeListeners() (err error) {
	for _, l := range s.listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}

// closeQueue gives the operations in the queue a time of their own, however long the connections
// took. That some are given up after it is no failure: no client waits for them any more. While
// NATS is away these are the checks of watched users.
func (s *Server) closeQueue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timing.leftover)
	defer cancel()
	err := s.queue.Close(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("operations that nobody waits for were given up")
		return nil
	}
	return err
}

var errStopping = errors.New("stopping")

// Ready returns nil if requests can be served: NATS is connected and there is a worker.
func (s *Server) Ready(context.Context) error {
	if s.stopping.Load() {
		return errStopping
	}
	return s.checkReady()
}

func (s *Server) checkReady() error {
	if err := s.queue.Ready(); err != nil {
		return err
	}
	if !s.nc.Changes.IsConnected() {
		return errors.New("the connection to NATS for changes is not there")
	}
	if s.auth == nil {
		return nil
	}
	return s.auth.Ready()
}

func (s *Server) alive(c *fiber.Ctx) error { return c.SendString("ok\n") }

func (s *Server) ready(c *fiber.Ctx) error {
	_, err := s.readiness.Get()
	if s.stopping.Load() {
		err = errStopping
	}
	if err != nil {
		return problem{kind: messages.KindUnavailable, detail: err.Error()}
	}
	return c.SendString("ok\n")
}

// encode is json.Marshal without its escapes for HTML, so that an & in an address stays readable.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
