// Package api is the HTTP side of Outset: it turns requests into operations for the queue, and
// their results into answers. It keeps no state and has no database, so any number of APIs may run
// side by side.
//
// The path of a request: routes (here) → a handler → internal/queue, which asks the workers. On the
// way back problem.go turns the kind of a failure into a status.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/nats-io/nats.go"

	// fiber requires a version that allows request smuggling; go.mod must require a later one.
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/edge"
	"github.com/outset-settings/outset/internal/queue"
	"github.com/outset-settings/outset/internal/watch"
	"github.com/outset-settings/outset/pkg/messages"
)

// Config has the address and the limits of an API.
type Config struct {
	HTTPAddr string `name:"http" env:"HTTP_ADDR" default:"127.0.0.1:8080" placeholder:"ADDR" help:"where the API listens"`

	AuthConfig

	EdgeConfig

	CORSOrigins         []string `name:"cors-origins" env:"CORS_ORIGINS" placeholder:"ORIGIN" help:"origins whose pages may use the API from a browser, or *; none by default"`
	RequirePrecondition bool     `env:"REQUIRE_PRECONDITION" help:"refuse writes without If-Match, If-None-Match or If-Unmodified-Since"`
	// MaxDocument is in bytes. Its flag is main's, since workers have it, too.
	MaxDocument int `kong:"-"`

	RequestTimeout time.Duration `env:"REQUEST_TIMEOUT" default:"5s" placeholder:"DURATION" help:"how long a request may take; past it the answer is 503, or 504 where the outcome isn't known"`
	WorkerGrace    time.Duration `env:"WORKER_GRACE" default:"3s" placeholder:"DURATION" help:"how long after the last sign of life of a worker requests wait for another; past it they are refused at once"`

	MaxConnections int           `env:"MAX_CONNECTIONS" default:"16384" placeholder:"N" help:"HTTP connections at once"`
	IdleTimeout    time.Duration `env:"IDLE_TIMEOUT" default:"2m" placeholder:"DURATION" help:"how long an idle HTTP connection is kept"`
	ReadTimeout    time.Duration `env:"READ_TIMEOUT" default:"10s" placeholder:"DURATION" help:"how long a client may take to send a request"`

	MaxWatchers     int           `env:"MAX_WATCHERS" default:"16384" placeholder:"N" help:"clients that watch changes at once, in addition to the other connections; past it the answer is 503"`
	EventsHeartbeat time.Duration `env:"EVENTS_HEARTBEAT" default:"15s" placeholder:"DURATION" help:"how often a client that watches changes gets a heartbeat, and how often its user is checked for a lost notification"`
}

// Validate returns an error for the first setting that is not valid.
func (c Config) Validate() error {
	for name, d := range map[string]time.Duration{
		"REQUEST_TIMEOUT": c.RequestTimeout, "IDLE_TIMEOUT": c.IdleTimeout,
		"READ_TIMEOUT": c.ReadTimeout,
	} {
		if d <= 0 {
			return fmt.Errorf("%s must be positive, not %v", name, d)
		}
	}
	switch {
	case c.WorkerGrace < 0:
		return fmt.Errorf("WORKER_GRACE must not be negative: %v", c.WorkerGrace)
	case c.MaxConnections < 1:
		return errors.New("MAX_CONNECTIONS must be at least 1")
	case c.MaxWatchers < 1:
		return errors.New("MAX_WATCHERS must be at least 1")
	case c.EventsHeartbeat < minHeartbeat:
		return fmt.Errorf("EVENTS_HEARTBEAT must be at least %v, not %v", minHeartbeat,
			c.EventsHeartbeat)
	}
	if err := c.AuthConfig.validate(); err != nil {
		return err
	}
	// It is 0 while flags are parsed, since it has none in this struct.
	if n := c.MaxDocument; n != 0 && (n < minDocument || n > messages.MaxDocument) {
		return fmt.Errorf("MAX_DOCUMENT_BYTES must be at least %d and at most %d, not %d",
			minDocument, messages.MaxDocument, n)
	}
	return validateOrigins(c.CORSOrigins)
}

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
}

var defaultTiming = timing{
	farewell: 500 * time.Millisecond, write: 10 * time.Second,
	persistence: 30 * time.Second, persistencePause: 200 * time.Millisecond,
	leftover: stopTimeout, readyFor: time.Second,
}

// otherMethod replaces every method that fiber doesn't know. fiber would answer these by itself,
// without a problem.
const otherMethod = "OTHER"

// Server is an API.
type Server struct {
	config      Config
	front       front
	nc          Connections
	log         *slog.Logger
	app         *fiber.App
	handle      fasthttp.RequestHandler // the app's
	queue       *queue.Queue
	hub         *watch.Hub
	streams     streams
	exports     slots
	imports     slots
	trials      slots
	multiMemory *semaphore.Weighted // in bytes
	limits      *edge.Kept[[]byte]
	readiness   *edge.Kept[struct{}]
	listener    *listener
	stopping    atomic.Bool
	timing      timing

	auth        *access.Authenticator // nil: no tokens are asked for
	limiter     *access.Limiter
	unauthentic atomic.Uint64
	// A flood of bad tokens must not fill the log.
	sometimesUnauthentic rate.Sometimes

	// In an outage thousands of requests fail each second. It limits their log lines.
	sometimes rate.Sometimes
}

// Connections are those to NATS. Whoever can publish changes may flood one of them, and the replies
// to requests would wait behind that on the same connection.
type Connections struct {
	Requests *nats.Conn // to the workers
	Changes  *nats.Conn // of documents that are watched
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
	front, err := config.open(config.HTTPAddr, log)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", config.HTTPAddr)
	if err != nil {
		return nil, fmt.Errorf("HTTP_ADDR: %w", err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() &&
		config.Auth != authNone && !config.required() {
		_ = l.Close()
		return nil, fmt.Errorf("HTTP_ADDR: %s can be reached from other machines and there is no "+
			"authentication; set AUTH=required, or AUTH=none if that is what you want",
			config.HTTPAddr)
	}
	s := &Server{
		config: config, front: front, nc: nc, log: log, timing: timing,
		queue: queue.New(nc.Requests, queue.Config{
			WorkerGrace: config.WorkerGrace, AttemptTimeout: timing.attempt,
		}, log),
		listener: newListener(front.wrap(l), config.ReadTimeout),
		exports:  make(slots, maxExports), imports: make(slots, maxImports),
		trials:      make(slots, maxTrials),
		multiMemory: semaphore.NewWeighted(multiBudget),
		sometimes:   rate.Sometimes{First: 100, Interval: 100 * time.Millisecond},
		limiter:     access.NewLimiter(config.UserRate, config.TokenRate),

		sometimesUnauthentic: rate.Sometimes{First: 10, Interval: time.Second},
	}
	if s.auth, err = config.authenticator(s.workersTokens, log); err == nil {
		s.app, err = s.routes()
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	s.limits = edge.Keep(limitsFor, false, s.askLimits)
	s.readiness = edge.Keep(timing.readyFor, true, func() (struct{}, error) {
		return struct{}{}, s.checkReady()
	})
	return s, nil
}

// Addr is the address that the server listens on, with its actual port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the address with its scheme, http or https.
func (s *Server) URL() string { return s.front.scheme() + "://" + s.Addr() }

func (s *Server) routes() (*fiber.App, error) {
	app := fiber.New(fiber.Config{
		AppName:               "Outset",
		DisableStartupMessage: true,
		// Strings of a request outlive its handler, in batches that are still being sent when the
		// request times out. Without this fasthttp would overwrite them with the next request.
		Immutable:      true,
		StrictRouting:  true,
		CaseSensitive:  true,
		BodyLimit:      s.config.MaxDocument,
		Concurrency:    s.config.MaxConnections,
		ReadTimeout:    s.config.ReadTimeout,
		WriteTimeout:   s.timing.write,
		IdleTimeout:    s.config.IdleTimeout,
		ReadBufferSize: maxHeaders,
		ErrorHandler:   s.fail,
		JSONEncoder:    encode,
		// Without this fiber would believe everybody's X-Forwarded headers. What they say is found
		// in edge.go.
		EnableTrustedProxyCheck: true,
		RequestMethods:          append(slices.Clone(fiber.DefaultMethods), otherMethod),
	})
	app.Server().KeepHijackedConns = true // the hub closes them
	app.Server().ConnState = trackState
	s.streamBodies(app.Server())

	s.handle = app.Handler()
	app.Server().Handler = func(c *fasthttp.RequestCtx) {
		if !slices.Contains(fiber.DefaultMethods, string(c.Method())) {
			c.Request.Header.SetMethod(otherMethod)
		}
		if err := checkHead(&c.Request.Header); err != nil {
			s.refuseHead(c, err)
			return
		}
		s.handle(c)
		if s.stopping.Load() {
			c.SetConnectionClose()
		}
	}

	app.Use(s.frame)
	if cors := s.cors(); cors != nil {
		app.Use(cors)
	}
	// A new route needs a line here, a row in internal/access/routes.go, a handler in the file of
	// its subject, and a path in openapi.json. A metric for all requests belongs in frame.
	middlewares := depths(app)
	app.Get("/healthz", s.alive)
	app.Get("/readyz", s.ready)
	app.Get("/limits", s.getLimits)
	s.registerPages(app)

	app.Post(multiPath, s.postMulti)
	app.Get("/users", s.getUsers)
	app.Get("/schema", s.getSchema)
	app.Put("/schema", s.putSchema)
	app.Delete("/schema", s.deleteSchema)
	app.Delete("/user/:id", s.deleteUser)
	app.Get("/user/:id/settings", s.getSettings)
	app.Put("/user/:id/settings", s.putSettings)
	app.Post("/user/:id/settings", s.postSettings)
	app.Patch("/user/:id/settings", s.patchSettings)
	app.Delete("/user/:id/settings", s.deleteSettings)
	app.Get("/user/:id/settings/*", s.getValue)
	app.Put("/user/:id/settings/*", s.putValue)
	app.Delete("/user/:id/settings/*", s.deleteValue)
	app.Get("/user/:id/history", s.getHistory)
	app.Get("/user/:id/history/:version", s.getVersion)
	app.Post("/user/:id/history/:version/restore", s.restoreVersion)
	app.Get("/user/:id/events", s.getEvents)
	app.Post("/user/:id/events/cookie", s.postEventsCookie)
	app.Get("/tokens", s.getTokens)
	app.Post("/tokens", s.postToken)
	app.Delete("/tokens/:id", s.deleteToken)
	app.Get("/users/export", s.exportUsers)
	app.Post(importPath, s.importUsers)
	return app, s.guardRoutes(app, middlewares)
}

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
	s.hub = watch.New(s.nc.Changes, s.queue, watch.Config{
		MaxWatchers: s.config.MaxWatchers, Heartbeat: s.config.EventsHeartbeat,
		ReadTimeout: s.config.RequestTimeout, WriteTimeout: s.timing.write,
	}, s.log)
	defer s.hub.Close()
	defer s.front.watch(ctx)()

	stopAuth := s.startAuth(ctx)
	defer stopAuth()
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(s.listener) }()
	s.log.Info("api listening", "addr", s.Addr(), "scheme", s.front.scheme())
	if most := s.nc.Requests.MaxPayload(); s.nc.Requests.IsConnected() && most < messages.MinPayload {
		s.log.Error("the NATS server's max_payload is too small",
			"max_payload", most, "least", messages.MinPayload)
	}
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serving HTTP: %w", err), s.queue.Close(ctx))
	case <-ctx.Done():
	}

	s.stopping.Store(true)
	time.Sleep(s.timing.farewell)
	s.hub.Close() // early, so that clients reconnect elsewhere at once
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
	err := errors.Join(s.listener.Close(), <-served)
	select {
	case <-s.listener.retire():
	case <-time.After(s.config.RequestTimeout + stopTimeout):
		s.log.Warn("closed connections of clients that were too slow to receive their answers")
		s.listener.abort()
	}
	stopErr := s.app.ShutdownWithTimeout(stopTimeout)
	if errors.Is(stopErr, context.DeadlineExceeded) {
		return err
	}
	return errors.Join(err, stopErr)
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
	if err := s.queue.Ready(); err != nil || s.auth == nil {
		return err
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
