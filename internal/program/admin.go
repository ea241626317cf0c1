package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/outset-settings/outset/internal/edge"
)

// probeTimeout bounds one check of whether a program is ready, on both sides.
const probeTimeout = 3 * time.Second

// readyFor is how long the result of such a check is kept, so that many probes cost no more than
// one: a worker's check asks the database.
const readyFor = time.Second

// maxAdminHeaders bounds the head of a request, in bytes.
const maxAdminHeaders = 4 << 10

// Admin is the address at which operators check a program.
type Admin struct {
	listener net.Listener
	hosts    edge.Hosts
	ready    *edge.Kept[struct{}]
	metrics  *prometheus.Registry
	answers  map[string]http.Handler // by path
}

// ListenAdmin returns an Admin that listens on addr but does not answer before Run or Around. It
// may be asked as what edge.NewHosts allows. The program counts as ready when ready returns nil.
func ListenAdmin(addr string, hosts []string, ready func(context.Context) error, log *slog.Logger,
) (*Admin, error) {
	return listenAdmin(addr, hosts, ready, readyFor, log)
}

func listenAdmin(addr string, hosts []string, ready func(context.Context) error,
	readyFor time.Duration, log *slog.Logger,
) (*Admin, error) {
	allowed, err := edge.NewHosts(addr, hosts)
	if err != nil {
		return nil, fmt.Errorf("HTTP_HOSTS: %w", err)
	}
	l, err := edge.Listen("ADMIN_ADDR", "--admin", addr)
	if err != nil {
		return nil, err
	}
	log.Info("admin listening", "addr", l.Addr().String())
	a := &Admin{listener: l, hosts: allowed, metrics: newRegistry()}
	a.ready = edge.Keep(readyFor, true, func() (struct{}, error) {
		ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
		defer cancel()
		return struct{}{}, ready(ctx)
	})
	a.answers = map[string]http.Handler{
		"/healthz": http.HandlerFunc(sayOK), "/readyz": http.HandlerFunc(a.sayReady),
		"/metrics": a.serveMetrics(),
	}
	return a, nil
}

// Addr is the address that it listens on, with the port that a port 0 became.
func (a *Admin) Addr() string { return a.listener.Addr().String() }

// Allow tells whether it may be asked under this name.
func (a *Admin) Allow(host string) bool { return a.hosts.Allow(host) }

// Handler returns what answers a GET or HEAD of a path, or nil:
//
//	/healthz  200 while the program lives
//	/readyz   200 while it can do its work, else 503 with the reason
//	/metrics  what Export was given, for Prometheus
func (a *Admin) Handler(path string) http.Handler {
	if h, ok := a.answers[path]; ok {
		return a.allowed(h)
	}
	return nil
}

// Share offers each new connection to take, which owns those for which it returns true. The others
// are answered by Run. Call it before Run.
func (a *Admin) Share(take func(net.Conn) bool) { a.listener = shared{a.listener, take} }

// shared is a listener that accepts what nobody takes.
type shared struct {
	net.Listener

	take func(net.Conn) bool
}

func (s shared) Accept() (net.Conn, error) {
	for {
		c, err := s.Listener.Accept()
		if err != nil || !s.take(c) {
			return c, err
		}
	}
}

// Run answers until ctx ends.
func (a *Admin) Run(ctx context.Context) error {
	mux := http.NewServeMux()
	for path, h := range a.answers {
		mux.Handle("GET "+path, h)
	}
	server := &http.Server{
		Handler: a.allowed(mux), ReadTimeout: probeTimeout, WriteTimeout: 2 * probeTimeout,
		IdleTimeout: time.Minute, MaxHeaderBytes: maxAdminHeaders,
	}
	if _, ok := a.listener.(shared); ok {
		// Else whoever has connected early would never get to who takes the connections.
		server.SetKeepAlivesEnabled(false)
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving ADMIN_ADDR: %w", err)
	}
	return nil
}

func sayOK(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }

func (a *Admin) sayReady(w http.ResponseWriter, r *http.Request) {
	if _, err := a.ready.Get(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	sayOK(w, r)
}

// allowed answers 421 to a request for a name that isn't ours, whatever it wants.
func (a *Admin) allowed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if !a.hosts.Allow(r.Host) {
			http.Error(w, "this name is not served here; see HTTP_HOSTS",
				http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Around does the work while the admin address answers, and returns when either fails or ctx ends.
// The work ends first, so that operators can see it stop.
func (a *Admin) Around(ctx context.Context, work func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	answer, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return a.Run(answer) })
	g.Go(func() error {
		defer stop()
		return work(ctx)
	})
	return g.Wait()
}

// AskReady returns nil if the program with this admin address says that it is ready.
func AskReady(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost" // a program that listens on all addresses listens on this one too
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("nothing answers at ADMIN_ADDR: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // the reason, if it came
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(body)))
	}
	return nil
}
