package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// TestUnsent: a write that can't have left certainly changed nothing.
func TestUnsent(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quietly
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
		"a black hole": {"http://nowhere.invalid", through(&http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}), "5 attempts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c2 := to(t, c.base, c.options, quick, client.WithTimeout(2*time.Second))
			if name == "a black hole" {
				c2 = to(t, c.base, c.options, quick, client.WithTimeout(10*time.Millisecond))
			}
			_, err := c2.Put(t.Context(), "1", raw(`{}`))
			only(t, err, client.ErrUnavailable)
			if err == nil || !strings.HasPrefix(err.Error(),
				"outset: unavailable after "+c.attempts) {
				t.Error(err)
			}
		})
	}
}

// TestUntoldTransport: of a transport that doesn't tell what it does the worst is assumed.
func TestUntoldTransport(t *testing.T) {
	t.Parallel()
	c := to(t, "http://a", quick, client.WithHTTPClient(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("lost")
	})}))
	_, err := c.Put(t.Context(), "1", raw(`{}`))
	only(t, err, client.ErrOutcomeUnknown)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestUnsendableHeaders are refused at once.
func TestUnsendableHeaders(t *testing.T) {
	t.Parallel()
	base, requests := between(t, 0, nil)
	c := to(t, base)
	for name, err := range map[string]error{
		"a key":           failed(c.Put(t.Context(), "1", raw(`{}`), client.IdempotencyKey("a\nb"))),
		"a tag":           failed(c.Put(t.Context(), "1", raw(`{}`), client.IfMatch("\x00"))),
		"a tag to read":   failed(c.Get(t.Context(), "1", client.IfNoneMatch("a\rb"))),
		"a header":        failed(client.New(base, client.WithHeader("X-Y", "a\nb"))),
		"a header's name": failed(client.New(base, client.WithHeader("X Y", "a"))),
	} {
		if !errors.Is(err, client.ErrMalformed) || requests.Load() != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeadlinePassed: the error is that of the context and no other.
func TestDeadlinePassed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	_, err := to(t, service).Put(ctx, "1", raw(`{}`))
	only(t, err, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
