package clienttest

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// disturbance answers a request in place of the service, which forward leads to.
type disturbance func(w http.ResponseWriter, r *http.Request, forward http.Handler)

// startProxy runs a proxy before the service that disturbs the first requests.
func startProxy(t *testing.T, first int64, disturb disturbance) (
	base string, requests *atomic.Int64,
) {
	t.Helper()
	return startProxyTo(t, service, first, disturb)
}

// startProxyTo is startProxy for another service.
func startProxyTo(t *testing.T, service string, first int64, disturb disturbance) (
	base string, requests *atomic.Int64,
) {
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
			disturb(w, r, forward)
		} else {
			forward.ServeHTTP(w, r)
		}
	})), requests
}

// serve runs an HTTP server until the test ends.
func serve(t *testing.T, h http.Handler) (base string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	ended := make(chan struct{})
	go func() { _ = server.Serve(l); close(ended) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return "http://" + l.Addr().String()
}

// problem answers as the service does. The headers are lines such as "Retry-After: 1".
func problem(status int, kind string, headers ...string) disturbance {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/problem+json")
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"type":"../problems/`+kind+`","kind":"`+kind+
			`","title":"T","status":503,"detail":"D","requestId":"R"}`)
	}
}

// plain answers as a proxy does.
func plain(status int) disturbance {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "no", status)
	}
}

// cut closes the connection.
func cut(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// loseAnswer has the request carried out and closes the connection.
func loseAnswer(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(&discarded{header: make(http.Header)}, r)
	panic(http.ErrAbortHandler)
}

// loseHalf has the request carried out and sends the beginning of an answer.
func loseHalf(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(&discarded{header: make(http.Header)}, r)
	w.Header().Set("ETag", `"1"`)
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, "{")
}

// hang never answers. It reads the body, because only then the server sees that the client has
// gone.
func hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// discarded is an answer that nobody gets.
type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) WriteHeader(int)             {}
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }
