package clienttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/outset-settings/outset/client"
)

// guard answers as a service that takes one token.
type guard struct {
	valid    atomic.Value // string
	requests atomic.Int64
	refused  atomic.Int64
	answer   http.HandlerFunc // nil: an empty document
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	if r.Header.Get("Authorization") != fmt.Sprint("Bearer ", g.valid.Load()) {
		g.refused.Add(1)
		w.Header().Set("WWW-Authenticate", "Bearer")
		problem(401, "unauthenticated")(w, r, nil)
		return
	}
	if g.answer != nil {
		g.answer(w, r)
		return
	}
	w.Header().Set("ETag", `"1"`)
	_, _ = io.WriteString(w, "{}")
}

// startGuard returns a client with tokens t1, t2 and so on, one for each call of its source.
func startGuard(t *testing.T, valid string, answer http.HandlerFunc) (
	g *guard, c *client.Client, asked *atomic.Int64,
) {
	t.Helper()
	g, asked = &guard{answer: answer}, new(atomic.Int64)
	g.valid.Store(valid)
	c = newClient(t, serve(t, g), quick, client.WithToken(func(context.Context) (string, error) {
		return fmt.Sprint("t", asked.Add(1)), nil
	}))
	return g, c, asked
}

// TestTokenIsRenewed: a token that is refused is replaced once, and then kept.
func TestTokenIsRenewed(t *testing.T) {
	t.Parallel()
	g, c, asked := startGuard(t, "t1", nil)
	for range 3 {
		if _, err := c.Get(t.Context(), "42"); err != nil {
			t.Fatal(err)
		}
	}
	if g.requests.Load() != 3 || asked.Load() != 1 {
		t.Errorf("%d requests, %d tokens", g.requests.Load(), asked.Load())
	}
	g.valid.Store("t2") // the first expires
	var getting sync.WaitGroup
	for range 20 {
		getting.Go(func() {
			if _, err := c.Get(t.Context(), "42"); err != nil {
				t.Error(err)
			}
		})
	}
	getting.Wait()
	if asked.Load() != 2 {
		t.Errorf("%d tokens for one that expired", asked.Load())
	}
	g.valid.Store("none")
	g.requests.Store(0)
	_, err := c.Get(t.Context(), "42")
	wantKind(t, err, client.ErrUnauthenticated)
	if g.requests.Load() != 2 {
		t.Errorf("%d requests with tokens that are refused", g.requests.Load())
	}
}

// TestTokenThatStaysTheSame isn't sent again when it is refused.
func TestTokenThatStaysTheSame(t *testing.T) {
	t.Parallel()
	g := &guard{}
	g.valid.Store("right")
	c := newClient(t, serve(t, g), quick, client.WithToken(client.StaticToken("wrong")))
	_, err := c.Put(t.Context(), "42", raw(`{}`))
	wantKind(t, err, client.ErrUnauthenticated)
	if g.requests.Load() != 1 {
		t.Errorf("%d requests", g.requests.Load())
	}
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("the error has the token: %v", err)
	}
}

// TestTokenOfStreams: streams begin with the token, and are renewed as other requests are.
func TestTokenOfStreams(t *testing.T) {
	t.Parallel()
	var streams atomic.Int64
	var g *guard
	g, c, _ := startGuard(t, "t2", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/events"):
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "event: changed\ndata: {\"version\":%d}\n\n", streams.Add(1))
			g.valid.Store(fmt.Sprint("t", 2+streams.Load())) // and the stream ends with its token
		default:
			w.Header().Set("Content-Type", "application/x-ndjson")
			_, _ = io.WriteString(w, `{"end":true,"users":0}`+"\n")
		}
	})
	for _, err := range c.Export(t.Context()) {
		t.Fatal(err)
	}
	for change, err := range c.Watch(t.Context(), "42", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if change.Version == 3 {
			break
		}
	}
	if streams.Load() != 3 || g.refused.Load() != 3 {
		t.Errorf("%d streams, %d refused", streams.Load(), g.refused.Load())
	}
}

// TestTokenOfAnImport: an import whose lines were not read yet is sent again with a new token; any
// other fails, and the next call has the new token.
func TestTokenOfAnImport(t *testing.T) {
	t.Parallel()
	g, c, _ := startGuard(t, "t2", func(w http.ResponseWriter, r *http.Request) {
		lines, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/x-ndjson")
		for n := range strings.Count(string(lines), "\n") {
			_, _ = fmt.Fprintf(w, `{"line":%d,"user":"1","version":1}`+"\n", n+1)
		}
		_, _ = fmt.Fprintf(w, `{"end":true,"lines":%d}`+"\n", strings.Count(string(lines), "\n"))
	})
	_ = g
	imported := func() (n int, err error) {
		lines := strings.NewReader(`{"user":"1","settings":{}}` + "\n")
		for _, err := range c.Import(t.Context(), lines) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	n, err := imported()
	if err != nil && !errors.Is(err, client.ErrUnauthenticated) || err == nil && n != 1 {
		t.Errorf("%d lines, %v", n, err)
	}
	if n, err = imported(); n != 1 || err != nil {
		t.Errorf("with the new token: %d lines, %v", n, err)
	}
}

// TestTokenSourceFails: without a token nothing is sent, and the error is the source's.
func TestTokenSourceFails(t *testing.T) {
	t.Parallel()
	failing := errors.New("the identity provider is away")
	g := &guard{}
	g.valid.Store("t")
	for name, c := range map[string]struct {
		token string
		err   error
		want  error
	}{
		"an error":      {"", failing, failing},
		"no token":      {"", nil, client.ErrMalformed},
		"two lines":     {"hush\nhush", nil, client.ErrMalformed},
		"not a bearer":  {"hush hush", nil, client.ErrMalformed},
		"beyond ASCII":  {"hüsh", nil, client.ErrMalformed},
		"it is stopped": {"", context.Canceled, context.Canceled},
	} {
		_, err := newClient(t, serve(t, g), quick, client.WithToken(
			func(context.Context) (string, error) { return c.token, c.err },
		)).Get(t.Context(), "42")
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if strings.Contains(err.Error(), "sh") && c.err == nil {
			t.Errorf("%s: the error has the token: %v", name, err)
		}
	}
	if g.requests.Load() != 0 {
		t.Errorf("%d requests", g.requests.Load())
	}
	// A call that waits for another's source ends with its context.
	called := make(chan struct{})
	release := make(chan struct{})
	c := newClient(t, serve(t, g), quick, client.WithToken(
		func(context.Context) (string, error) { close(called); <-release; return "t", nil }))
	ended := make(chan error, 1)
	go func() { _, err := c.Get(t.Context(), "42"); ended <- err }()
	<-called
	ctx, cancel := context.WithCancel(t.Context())
	go func() { cancel() }()
	if _, err := c.Get(ctx, "42"); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestGates: what refuses a request before its idempotency key is looked up says nothing about an
// earlier attempt.
func TestGates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then     disturbance
		want     error
		attempts int64
	}{
		"unauthenticated": {problem(401, "unauthenticated"), client.ErrUnauthenticated, 1},
		"forbidden":       {problem(403, "forbidden"), client.ErrForbidden, 1},
		"rate limited": {
			problem(429, "rate-limited"),
			errors.Join(client.ErrRateLimited, client.ErrUnavailable), 5,
		},
		"at a gateway": {plain(429), client.ErrUnavailable, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, requests := startProxy(t, 1000, c.then)
			_, err := newClient(t, base, quick).Put(t.Context(), newUser(t), raw(`{}`))
			wantKind(t, err, c.want)
			if requests.Load() != c.attempts {
				t.Errorf("%d attempts, want %d", requests.Load(), c.attempts)
			}
			var n atomic.Int64
			base, _ = startProxy(t, 1000, func(
				w http.ResponseWriter, r *http.Request, forward http.Handler,
			) {
				if n.Add(1) == 1 {
					loseAnswer(w, r, forward)
				}
				c.then(w, r, forward)
			})
			_, err = newClient(t, base, quick).Put(t.Context(), newUser(t), raw(`{}`))
			wantKind(t, err, client.ErrOutcomeUnknown)
		})
	}
	_, err := newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem(429, "rate-limited", "Retry-After: 7")(w, r, nil)
	})), client.WithRetry(client.Retry{Attempts: 1})).Get(t.Context(), "42")
	var e *client.Error
	if !errors.As(err, &e) || e.RetryAfter.Seconds() != 7 || !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("%v: %+v", err, e)
	}
}

// TestRateLimitIsWaitedFor: a request that was refused for the rate is repeated.
func TestRateLimitIsWaitedFor(t *testing.T) {
	t.Parallel()
	base, requests := startProxy(t, 2, problem(429, "rate-limited"))
	s, err := newClient(t, base, quick).Put(t.Context(), newUser(t), raw(`{}`))
	if err != nil || s.Version != 1 || requests.Load() != 3 {
		t.Errorf("%+v, %v after %d requests", s, err, requests.Load())
	}
}
