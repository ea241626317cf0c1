package clienttest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// TestLoginPage: a gateway's login page with status 200 is not taken for a success.
func TestLoginPage(t *testing.T) {
	t.Parallel()
	base, requests := startProxy(t, 1000, func(w http.ResponseWriter, r *http.Request,
		_ http.Handler,
	) {
		w.Header().Set("ETag", `"a-hash"`)
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>Who are you?</html>")
	})
	c, ctx := newClient(t, base, quick), t.Context()
	path := client.Path{"a"}
	for name, err := range map[string]error{
		"get":        failed(c.Get(ctx, "1")),
		"value":      failed(c.Value(ctx, "1", path)),
		"at":         failed(c.At(ctx, "1", 1)),
		"schema":     failed(c.Schema(ctx)),
		"check":      failed(c.CheckSchema(ctx, raw(`{}`))),
		"history":    historyError(ctx, c, "1"),
		"users":      lastError(c.Users(ctx, nil)),
		"export":     lastError(c.Export(ctx)),
		"import":     lastError(c.Import(ctx, strings.NewReader("{}"))),
		"watch":      lastError(c.Watch(ctx, "1", nil)),
		"batch":      failed(c.Batch(ctx, client.OpGet("1"))),
		"put":        failed(c.Put(ctx, "1", raw(`{}`))),
		"delete":     failed(c.Delete(ctx, "1")),
		"set value":  failed(c.SetValue(ctx, "1", path, raw(`1`))),
		"put schema": failed(c.PutSchema(ctx, raw(`{}`))),
		"put batch":  failed(c.Batch(ctx, client.OpPut("1", raw(`{}`)))),
	} {
		var e *client.Error
		if !errors.As(err, &e) || e.Status != 200 || e.Kind != "" {
			t.Errorf("%s: %v", name, err)
		}
		write := strings.HasPrefix(name, "put") || name == "delete" || name == "set value"
		if errors.Is(err, client.ErrOutcomeUnknown) != write {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := requests.Load(); n != 16 {
		t.Errorf("%d requests", n)
	}
}

// TestNotSent: a write that can't have left this machine has changed nothing.
func TestNotSent(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	through := func(transport *http.Transport) client.Option {
		t.Cleanup(transport.CloseIdleConnections)
		return client.WithHTTPClient(&http.Client{Transport: transport})
	}
	away := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	for name, c := range map[string]struct {
		base     string
		options  client.Option
		attempts string
	}{
		"https at a port for http": {
			strings.Replace(service, "http:", "https:", 1), quick,
			"5 attempts",
		},
		"untrusted": {secure.URL, quick, "1 attempt:"},
		"no handshake": {secure.URL, through(&http.Transport{
			TLSClientConfig: &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true},
		}), "5 attempts"},
		"no proxy": {
			"http://nowhere.invalid", through(&http.Transport{Proxy: http.ProxyURL(away)}),
			"5 attempts",
		},
		"no answer to the dial": {"http://nowhere.invalid", through(&http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}), "5 attempts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attempts := c.attempts
			timeout := 5 * time.Minute
			if name == "no answer to the dial" {
				timeout = 10 * time.Millisecond // the only one that it waits for
			}
			c := newClient(t, c.base, c.options, quick, client.WithTimeout(timeout))
			_, err := c.Put(t.Context(), "1", raw(`{}`))
			wantKind(t, err, client.ErrUnavailable)
			want := "outset: unavailable after " + attempts
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Error(err)
			}
		})
	}
}

// TestCustomTransport: a transport that doesn't report its connections may have sent the request.
func TestCustomTransport(t *testing.T) {
	t.Parallel()
	transport := roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("lost")
	})
	c := newClient(t, "http://a", quick, client.WithHTTPClient(&http.Client{Transport: transport}))
	_, err := c.Put(t.Context(), "1", raw(`{}`))
	wantKind(t, err, client.ErrOutcomeUnknown)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestUnsendableHeaders are refused at once.
func TestUnsendableHeaders(t *testing.T) {
	t.Parallel()
	base, requests := startProxy(t, 0, nil)
	c, ctx := newClient(t, base), t.Context()
	for name, err := range map[string]error{
		"a key":           failed(c.Put(ctx, "1", raw(`{}`), client.IdempotencyKey("a\nb"))),
		"a tag":           failed(c.Put(ctx, "1", raw(`{}`), client.IfMatch("\x00"))),
		"a tag to read":   failed(c.Get(ctx, "1", client.IfNoneMatch("a\rb"))),
		"a header":        failed(client.New(base, client.WithHeader("X-Y", "a\nb"))),
		"a header's name": failed(client.New(base, client.WithHeader("X Y", "a"))),
		"a length":        failed(client.New(base, client.WithHeader("content-length", "1"))),
	} {
		if !errors.Is(err, client.ErrMalformed) || requests.Load() != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeadlinePassed: the error is that of the context only.
func TestDeadlinePassed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	_, err := newClient(t, service).Put(ctx, "1", raw(`{}`))
	wantKind(t, err, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
