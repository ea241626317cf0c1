package client_test

import (
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// between is something on the way to the service that does something else with the first so many
// requests.
func between(t *testing.T, first int64, other func(w http.ResponseWriter, r *http.Request,
	forward http.Handler),
) (base string, requests *atomic.Int64) {
	t.Helper()
	target, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	forward := &httputil.ReverseProxy{
		Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}
	requests = new(atomic.Int64)
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) <= first {
			other(w, r, forward)
		} else {
			forward.ServeHTTP(w, r)
		}
	})), requests
}

// problem answers as the service does.
func problem(status int, kind string, header ...string) func(
	http.ResponseWriter, *http.Request, http.Handler,
) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/problem+json")
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"type":"/problems/`+kind+`","title":"T","status":503,"detail":"D","requestId":"R"}`)
	}
}

// cut ends the connection, and plain is what a proxy says.
func cut(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

func plain(status int) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "no", status)
	}
}

// swallow has the request carried out and doesn't give the answer: with a connection that ends, or
// with half of it.
func swallow(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(&nowhere{header: make(http.Header)}, r)
	panic(http.ErrAbortHandler)
}

func halve(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(&nowhere{header: make(http.Header)}, r)
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "{")
}

// hang never answers. The body is read, because only then the server sees that the client has gone.
func hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

type disturbance func(http.ResponseWriter, *http.Request, http.Handler)
