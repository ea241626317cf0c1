package clienttest

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/outset-settings/outset/client"
)

// withFakeClock runs a test in a bubble whose clock stands still while anything happens, and jumps
// to the next timer when all wait. So a test of timeouts and waits takes no time and knows exactly
// how long they were. There must be no network inside: use clientOf.
func withFakeClock(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

// clientOf returns a client whose requests a handler answers in memory.
func clientOf(t *testing.T, h http.HandlerFunc, options ...client.Option) *client.Client {
	t.Helper()
	transport := client.WithHTTPClient(&http.Client{Transport: memoryTransport{h}})
	return newClient(t, "http://memory", append(options, transport)...)
}

// memoryTransport hands requests to a handler in the same process.
type memoryTransport struct{ http.Handler }

func (m memoryTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	answer := &memoryWriter{
		header: make(http.Header), body: w, begun: make(chan *http.Response, 1),
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	stop := context.AfterFunc(r.Context(), func() { _ = w.CloseWithError(r.Context().Err()) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer stop()
		defer func() {
			if recover() != nil {
				_ = w.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			answer.WriteHeader(http.StatusOK)
			_ = w.Close()
		}()
		m.ServeHTTP(answer, r)
	}()
	select {
	case response := <-answer.begun:
		response.Body, response.Request = body, r
		return response, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-ended:
	}
	select {
	case response := <-answer.begun:
		response.Body, response.Request = body, r
		return response, nil
	default:
		return nil, io.ErrUnexpectedEOF
	}
}

// memoryWriter is the answer of a memoryTransport. Each Write waits until it is read.
type memoryWriter struct {
	header http.Header
	body   *io.PipeWriter
	once   sync.Once
	begun  chan *http.Response
}

func (m *memoryWriter) Header() http.Header { return m.header }
func (m *memoryWriter) Flush()              { m.WriteHeader(http.StatusOK) }

func (m *memoryWriter) WriteHeader(status int) {
	m.once.Do(func() {
		m.begun <- &http.Response{StatusCode: status, Header: m.header.Clone()}
	})
}

func (m *memoryWriter) Write(b []byte) (int, error) {
	m.WriteHeader(http.StatusOK)
	return m.body.Write(b)
}
