package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// stream answers each connection by what its number has, with the Last-Event-ID that it was made
// with, and then ends it.
func stream(t *testing.T, connection func(n int64, last string,
	say func(string)) (hang bool),
) string {
	t.Helper()
	var n atomic.Int64
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		hang := connection(n.Add(1), r.Header.Get("Last-Event-ID"), func(text string) {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
		})
		if hang {
			<-r.Context().Done()
		}
	}))
}

func changed(version int) string {
	return fmt.Sprintf("event: changed\nid: %d\ndata: {\"version\":%d}\n\n", version, version)
}

// TestWatchReconnects: every way to lose a connection; nothing is yielded twice, and the next one
// knows what is known.
func TestWatchReconnects(t *testing.T) {
	t.Parallel()
	var asked []string
	base := stream(t, func(n int64, last string, say func(string)) bool {
		asked = append(asked, last)
		switch n {
		case 1: // ends with the connection
			say("retry: 1\n\n" + changed(0) + changed(1) + ": heartbeat\n\n")
		case 2: // in the middle of an event
			say(changed(1) + changed(2) + "event: changed\nid: 3\ndata: {\"ver")
		case 3: // cut
			say(changed(3))
			panic(http.ErrAbortHandler)
		case 4: // silent
			say("event: unheard-of\ndata: x\n\n" + changed(7))
			return true
		case 5:
			say(changed(8))
			return true
		}
		return false
	})
	var lost atomic.Int64
	options := &client.WatchOptions{Heartbeat: 50 * time.Millisecond, Lost: func(err error) {
		if lost.Add(1) == 4 && !strings.Contains(err.Error(), "no sign of life") {
			t.Error(err)
		}
	}}
	var got []int64
	for change, err := range to(t, base, quick).Watch(t.Context(), "1", options) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, change.Version); change.Version == 8 {
			break
		}
	}
	if fmt.Sprint(got) != "[0 1 2 3 7 8]" || fmt.Sprintf("%q", asked) != `["" "1" "2" "3" "7"]` || lost.Load() != 4 {
		t.Errorf("got %v, asked with %q, lost %d times", got, asked, lost.Load())
	}
}

// TestWatchEnds by the context, or when the service says no for good. A busy one is asked again.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	base, requests := between(t, 1000, func(w http.ResponseWriter, r *http.Request,
		forward http.Handler,
	) {
		switch {
		case strings.Contains(r.URL.Path, "refused"):
			problem(403, "cross-origin")(w, r, forward)
		default:
			problem(503, "overloaded")(w, r, forward)
		}
	})
	c := to(t, base, quick)
	var e *client.Error
	if err := lastError(c.Watch(t.Context(), "refused", nil)); !errors.As(err, &e) ||
		e.Status != 403 || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	times := 0
	err := lastError(c.Watch(ctx, "busy", &client.WatchOptions{Lost: func(err error) {
		if times++; times == 10 {
			cancel()
		}
		if !errors.Is(err, client.ErrUnavailable) {
			t.Error(err)
		}
	}}))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := lastError(c.Watch(t.Context(), "", nil)); !errors.Is(err, client.ErrMalformed) {
		t.Error(err)
	}
	if err := lastError(to(t, base).Watch(ctx, "1", nil)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// lastError is the error that ends a sequence.
func lastError[T any](all func(func(T, error) bool)) (last error) {
	for _, err := range all {
		last = err
	}
	return last
}

// TestWatchNonsense: what can't be understood would be the same the next time.
func TestWatchNonsense(t *testing.T) {
	t.Parallel()
	base := stream(t, func(_ int64, _ string, say func(string)) bool {
		say("event: changed\ndata: seven\n\n")
		return true
	})
	if err := lastError(to(t, base).Watch(t.Context(), "1", nil)); err == nil ||
		!strings.Contains(err.Error(), "can't be understood") {
		t.Error(err)
	}
}

// TestWatch: what there is, and then each change, through lost connections.
func TestWatch(t *testing.T) {
	t.Parallel()
	base, requests := between(t, 1000, func(w http.ResponseWriter, r *http.Request,
		forward http.Handler,
	) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		forward.ServeHTTP(&shortLived{ResponseWriter: w, left: 3, cut: cancel}, r.WithContext(ctx))
	})
	c, direct, user := to(t, base, quick), to(t, service), someone(t)
	writes := []func() (client.Settings, error){
		func() (client.Settings, error) { return direct.Put(t.Context(), user, raw(`{"a":1}`)) },
		func() (client.Settings, error) {
			return direct.Put(t.Context(), user, raw(" {\r\n\"a\" : 2.0}\n"))
		},
		func() (client.Settings, error) { return direct.Delete(t.Context(), user) },
		func() (client.Settings, error) { return direct.Restore(t.Context(), user, 1) },
		func() (client.Settings, error) { return direct.Erase(t.Context(), user) },
		func() (client.Settings, error) { return direct.Put(t.Context(), user, raw(`{}`)) },
	}
	want := []string{`{}`, `{"a":1}`, "{\n\n\"a\" : 2.0}", `{}`, `{"a":1}`, `{}`, `{}`}
	n := 0
	for change, err := range c.Watch(t.Context(), user, &client.WatchOptions{Include: true}) {
		if err != nil {
			t.Fatal(err)
		}
		// CR LF is one line break to some, two to others
		document := strings.ReplaceAll(string(change.Settings), "\n\n", "\n")
		if change.Version != int64(n) || document != strings.ReplaceAll(want[n], "\n\n", "\n") ||
			change.Deleted != (n == 3 || n == 5) || change.Time.IsZero() != (n == 0) {
			t.Errorf("%d: %+v (%q), want %q", n, change, change.Settings, want[n])
		}
		if n == len(writes) {
			break
		}
		if s, err := writes[n](); err != nil || s.Version != int64(n+1) {
			t.Fatal(s, err)
		}
		n++
	}
	if requests.Load() < 2 {
		t.Error("the connection was never lost")
	}
	for change, err := range direct.Watch(t.Context(), user, &client.WatchOptions{After: 3}) {
		if err != nil || change.Version != 6 || change.Settings != nil {
			t.Errorf("%+v, %v", change, err)
		}
		break
	}
}

// shortLived is an answer that is cut after so many flushes.
type shortLived struct {
	http.ResponseWriter
	left int
	cut  func()
}

func (s *shortLived) Flush() {
	_ = http.NewResponseController(s.ResponseWriter).Flush()
	if s.left--; s.left == 0 {
		s.cut()
	}
}

// TestWatchSlowLoop: a loop that works longer than the service may be silent loses nothing by that.
func TestWatchSlowLoop(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections.Add(1)
		w.Header().Set("Content-Type", "text/event-stream")
		for n := 1; r.Context().Err() == nil; n++ {
			_, _ = io.WriteString(w, changed(n))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	n := 0
	for change, err := range to(t, base, quick).Watch(t.Context(), "1",
		&client.WatchOptions{Heartbeat: 200 * time.Millisecond}) {
		if n++; err != nil || change.Version != int64(n) {
			t.Fatal(change, err)
		}
		if n == 1 {
			time.Sleep(time.Second)
		}
		if n == 150 { // what came meanwhile, and more
			break
		}
	}
	if connections.Load() != 1 {
		t.Errorf("%d connections", connections.Load())
	}
}

// TestWatchForEver: the waits between attempts are limited, however many there are.
func TestWatchForEver(t *testing.T) {
	t.Parallel()
	c := to(t, "http://127.0.0.1:1", client.WithRetry(client.Retry{
		Wait:    30 * time.Second,
		MaxWait: time.Microsecond,
	}))
	ctx, cancel := context.WithCancel(t.Context())
	lost := 0
	err := lastError(c.Watch(ctx, "1", &client.WatchOptions{Lost: func(error) {
		if lost++; lost == 100 {
			cancel()
		}
	}}))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
