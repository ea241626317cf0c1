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

	"golang.org/x/sync/errgroup"
)

// probeTimeout bounds one check of whether a program is ready, on both sides.
const probeTimeout = 3 * time.Second

// Admin is the address at which operators check a program.
type Admin struct {
	listener net.Listener
	ready    func(context.Context) error
}

// ListenAdmin returns an Admin that listens on addr but does not answer before Run or Around. The
// program counts as ready when ready returns nil.
func ListenAdmin(addr string, ready func(context.Context) error, log *slog.Logger) (*Admin, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	log.Info("admin listening", "addr", l.Addr().String())
	return &Admin{listener: l, ready: ready}, nil
}

// Addr is the address that it listens on, with the port that a port 0 became.
func (a *Admin) Addr() string { return a.listener.Addr().String() }

// Run answers until ctx ends:
//
//	/healthz  200 while the program lives
//	/readyz   200 while it can do its work, else 503 with the reason
func (a *Admin) Run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
		defer cancel()
		if err := a.ready(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	server := &http.Server{
		Handler: mux, ReadTimeout: probeTimeout, WriteTimeout: 2 * probeTimeout,
		IdleTimeout: time.Minute,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving ADMIN_ADDR: %w", err)
	}
	return nil
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
