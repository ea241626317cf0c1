package program

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// get returns the status and the body at a path of the admin address, or status 0 if nobody
// listens.
func get(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	client := http.Client{Transport: transport}
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet,
		"http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(body)
}

func always(context.Context) error { return nil }

// around runs work in an Admin and returns its address, what stops it and its result.
func around(t *testing.T, addr string, ready, work func(context.Context) error) (
	string, context.CancelFunc, <-chan error,
) {
	t.Helper()
	a, err := listenAdmin(addr, nil, ready, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	result := make(chan error, 1)
	go func() { result <- a.Around(ctx, work) }()
	return a.Addr(), stop, result
}

func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	addr, stop, result := around(t, "127.0.0.1:0", func(ctx context.Context) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the check of readiness has no deadline")
		}
		if !ready.Load() {
			return errors.New("the database does not answer")
		}
		return nil
	}, untilStopped)
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "0" {
		t.Errorf("the address is %s, %v; want the port that it got", addr, err)
	}
	check := func(path string, wantStatus int, wantBody string) {
		t.Helper()
		if status, body := get(t, addr, path); status != wantStatus ||
			!strings.Contains(body, wantBody) {
			t.Errorf("%s: %d %q, want %d %q", path, status, body, wantStatus, wantBody)
		}
	}
	check("/healthz", http.StatusOK, "ok")
	check("/readyz", http.StatusServiceUnavailable, "the database does not answer")
	if err := AskReady(t.Context(), addr); err == nil ||
		err.Error() != "not ready: the database does not answer" {
		t.Errorf("AskReady: got %v", err)
	}
	ready.Store(true)
	check("/readyz", http.StatusOK, "ok")
	if err := AskReady(t.Context(), addr); err != nil {
		t.Errorf("AskReady: %v", err)
	}
	check("/elsewhere", http.StatusNotFound, "")
	stop()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := AskReady(t.Context(), addr); err == nil {
		t.Error("AskReady: nobody listens, and it says ready")
	}
}

// TestAdminEndsLast: operators can see a program that takes its time to stop.
func TestAdminEndsLast(t *testing.T) {
	t.Parallel()
	stopping, finish := make(chan struct{}), make(chan struct{})
	addr, stop, result := around(t, "127.0.0.1:0", always, func(ctx context.Context) error {
		<-ctx.Done()
		close(stopping)
		<-finish
		return nil
	})
	stop()
	<-stopping
	if status, _ := get(t, addr, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while the work ends: %d", status)
	}
	select {
	case err := <-result:
		t.Fatalf("it did not wait for the work: %v", err)
	default:
	}
	close(finish)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if status, _ := get(t, addr, "/healthz"); status != 0 {
		t.Errorf("/healthz after the end: %d", status)
	}
}

func TestAdminEndsWithTheWork(t *testing.T) {
	t.Parallel()
	failure := errors.New("the work failed")
	addr, _, result := around(t, "127.0.0.1:0", always, func(context.Context) error {
		return failure
	})
	if err := <-result; !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if status, _ := get(t, addr, "/healthz"); status != 0 {
		t.Errorf("/healthz after the end: %d", status)
	}
}

func TestWorkEndsWithTheAdmin(t *testing.T) {
	t.Parallel()
	a, err := ListenAdmin("127.0.0.1:0", nil, always, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_ = a.listener.Close() // as if accepting had failed for good
	if err := a.Around(t.Context(), untilStopped); err == nil ||
		!strings.Contains(err.Error(), "ADMIN_ADDR") {
		t.Errorf("got %v", err)
	}
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, addr := range []string{
		l.Addr().String(), "127.0.0.1", "127.0.0.1:99999",
		"no such host:1", "127.0.0.1:http:1",
	} {
		_, err := ListenAdmin(addr, nil, always, slog.New(slog.DiscardHandler))
		if err == nil || !strings.HasPrefix(err.Error(), "ADMIN_ADDR: ") {
			t.Errorf("%s: got %v, want ADMIN_ADDR to be named", addr, err)
		}
		if taken := addr == l.Addr().String(); taken != strings.Contains(err.Error(), "with --admin") {
			t.Errorf("%s: got %v, want --admin to be named where it is taken", addr, err)
		}
	}
}

// TestAskReadyEverywhere: a program that listens on all addresses is found on this machine.
func TestAskReadyEverywhere(t *testing.T) {
	t.Parallel()
	addr, _, _ := around(t, "0.0.0.0:0", always, untilStopped)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"0.0.0.0", "", "127.0.0.1", "localhost", "::"} {
		if err := AskReady(t.Context(), net.JoinHostPort(host, port)); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
	if err := AskReady(t.Context(), "9090"); err == nil ||
		!strings.Contains(err.Error(), "ADMIN_ADDR") {
		t.Errorf("no address: got %v", err)
	}
}

// TestAskReadyTimesOut: a server that accepts and says nothing is not ready.
func TestAskReadyTimesOut(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts for it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := AskReady(t.Context(), l.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestAdminHosts: a page of another name gets nothing, though its name leads here.
func TestAdminHosts(t *testing.T) {
	t.Parallel()
	a, err := ListenAdmin("127.0.0.1:0", []string{"probe.example"}, always,
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for host, want := range map[string]int{
		"probe.example": http.StatusOK, "localhost:1": http.StatusOK, a.Addr(): http.StatusOK,
		"evil.example": http.StatusMisdirectedRequest, "evil.example:1": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/healthz", "/readyz", "/elsewhere"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
				"http://"+a.Addr()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host, r.Close = host, true
			got, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = got.Body.Close()
			want := want
			if path == "/elsewhere" && want == http.StatusOK {
				want = http.StatusNotFound
			}
			if got.StatusCode != want {
				t.Errorf("%s%s: %d, want %d", host, path, got.StatusCode, want)
			}
		}
	}
	if _, err := ListenAdmin("127.0.0.1:0", []string{"a b"}, always,
		slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "HTTP_HOSTS: ") {
		t.Errorf("a bad name: %v", err)
	}
}

// TestReadyIsKept: many probes ask the database once.
func TestReadyIsKept(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	a, err := listenAdmin("127.0.0.1:0", nil, func(context.Context) error {
		asked.Add(1)
		return nil
	}, time.Hour, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for range 10 {
		if status, _ := get(t, a.Addr(), "/readyz"); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	stop()
	if err := <-ended; err != nil || asked.Load() != 1 {
		t.Errorf("the program was asked %d times, %v", asked.Load(), err)
	}
}
