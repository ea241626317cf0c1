package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// answering is a response as a transport returns it.
func answering(r *http.Request, status int, text string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-ndjson"}},
		Request: r,
		Body:    io.NopCloser(strings.NewReader(text)),
	}
}

// TestImportLateRead: a transport may read the lines after it has returned, but they belong to the
// next attempt then.
func TestImportLateRead(t *testing.T) {
	t.Parallel()
	var first io.Reader
	var late error
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if first == nil {
			first = r.Body
			return answering(r, http.StatusServiceUnavailable, ""), nil
		}
		_, late = first.Read(make([]byte, 3))
		sent, err := io.ReadAll(r.Body)
		if err != nil || string(sent) != "{}\n" {
			t.Errorf("sent %q, %v", sent, err)
		}
		return answering(r, http.StatusOK, `{"end":true,"lines":0}`+"\n"), nil
	})
	c := to(t, "http://a", quick, client.WithHTTPClient(&http.Client{Transport: transport}))
	if err := lastError(c.Import(t.Context(),
		io.MultiReader(strings.NewReader("{}\n")))); err != nil || late == nil {
		t.Errorf("%v; the late one had %v", err, late)
	}
}

// TestImportLeft: after the loop the lines are the caller's again.
func TestImportLeft(t *testing.T) {
	t.Parallel()
	var body io.Reader
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		body = r.Body
		return answering(r, http.StatusOK, `{"line":1,"user":"1","version":1}`+"\n"), nil
	})
	c := to(t, "http://a", quick, client.WithHTTPClient(&http.Client{Transport: transport}))
	lines := strings.NewReader("{}\n")
	for range c.Import(t.Context(), lines) { //nolint:errcheck // none is looked for
		break
	}
	if n, err := body.Read(make([]byte, 10)); n != 0 || err == nil || errors.Is(err, io.EOF) ||
		lines.Len() != 3 {
		t.Errorf("read %d, %v; left %d", n, err, lines.Len())
	}
}

// TestImportBlocked: a sequence that waits for ever keeps neither the context nor the loop from
// ending the import.
func TestImportBlocked(t *testing.T) {
	t.Parallel()
	c := to(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, `{"line":1,"user":"1","version":1}`+"\n")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
	})))
	for _, leave := range []bool{true, false} {
		never, ended := make(chan struct{}), make(chan struct{})
		var begun atomic.Bool
		blocked := func(yield func(client.Settings, error) bool) {
			begun.Store(true)
			defer close(ended)
			_ = yield(client.Settings{User: "1", Document: raw(`{}`)}, nil)
			<-never
		}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			var last error
			for _, err := range c.Import(ctx, client.Lines(blocked)) {
				if last = err; leave {
					break
				}
				cancel()
			}
			left <- last
		}()
		select {
		case err := <-left:
			if errors.Is(err, context.Canceled) == leave {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("it waits for the lines")
		}
		cancel()
		close(never)
		if begun.Load() { // else the first outcome was there before the first line was asked for
			<-ended
		}
	}
}

// TestLinesUnread: a sequence that nobody has asked for has not begun. That nothing is left of it
// is seen at the end of all tests.
func TestLinesUnread(t *testing.T) {
	t.Parallel()
	never := func(func(client.Settings, error) bool) { t.Error("it has begun") }
	client.Lines(never)
	closed := client.Lines(never)
	if err := closed.Close(); err != nil {
		t.Error(err)
	}
	if _, err := closed.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// TestStreamsBegin within the time for an attempt.
func TestStreamsBegin(t *testing.T) {
	t.Parallel()
	base, _ := between(t, 1000, hang)
	c := to(t, base, client.WithTimeout(50*time.Millisecond),
		client.WithRetry(client.Retry{Attempts: 2, Wait: 1}))
	err := lastError(c.Export(t.Context()))
	only(t, err, client.ErrUnavailable)
	if errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err = lastError(c.Import(t.Context(), strings.NewReader("{}\n"))); err == nil ||
		errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = lastError(c.Watch(ctx, "1", &client.WatchOptions{Lost: func(err error) {
		if !strings.Contains(err.Error(), "no answer in time") {
			t.Error(err)
		}
		cancel()
	}}))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
