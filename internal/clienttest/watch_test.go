package clienttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// eventServer returns a client whose connections write gets, numbered from 1, with the
// Last-Event-ID of each. If write returns true the connection stays open, else it ends.
func eventServer(t *testing.T, write func(n int, lastID string, say func(string)) (stay bool),
	options ...client.Option,
) *client.Client {
	t.Helper()
	n := 0
	return clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Content-Type", "text/event-stream")
		say := func(text string) { _, _ = io.WriteString(w, text) }
		if write(n, r.Header.Get("Last-Event-ID"), say) {
			<-r.Context().Done()
		}
	}, options...)
}

func changed(version int) string {
	return fmt.Sprintf("event: changed\nid: %d\ndata: {\"version\":%d}\n\n", version, version)
}

// TestWatchReconnects: Watch goes on after every way to lose a connection. It asks for what is
// newer than what it has yielded, and yields nothing twice.
func TestWatchReconnects(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		var lastIDs []string
		c := eventServer(t, func(n int, lastID string, say func(string)) (stay bool) {
			lastIDs = append(lastIDs, lastID)
			switch n {
			case 1: // ends with the connection
				say("retry: 1\n\n" + changed(0) + changed(1) + ": heartbeat\n\n")
			case 2: // ends inside an event
				say(changed(1) + changed(2) + "event: changed\nid: 3\ndata: {\"ver")
			case 3: // breaks
				say(changed(3))
				panic(http.ErrAbortHandler)
			case 4: // falls silent
				say("event: unheard-of\ndata: x\n\n" + changed(7))
				return true
			case 5:
				say(changed(8))
				return true
			}
			return false
		}, quick)
		var lost []error
		var lostAt time.Time
		options := &client.WatchOptions{Heartbeat: 10 * time.Second, Lost: func(err error) {
			lost, lostAt = append(lost, err), time.Now()
		}}
		var got []int64
		var last time.Time
		for change, err := range c.Watch(t.Context(), "1", options) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, change.Version); change.Version == 8 {
				break
			}
			last = time.Now()
		}
		if fmt.Sprint(got) != "[0 1 2 3 7 8]" ||
			fmt.Sprintf("%q", lastIDs) != `["" "1" "2" "3" "7"]` {
			t.Errorf("got %v, asked for those after %q", got, lastIDs)
		}
		if len(lost) != 4 || !strings.Contains(lost[3].Error(), "no sign of life") {
			t.Errorf("lost: %v", lost)
		}
		if silent := lostAt.Sub(last); silent != 30*time.Second {
			t.Errorf("the silent connection counted as lost after %v, not 3 heartbeats", silent)
		}
	})
}

// TestWatchEnds: Watch ends with the context or a refusal, but not when the service is busy.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	base, requests := startProxy(t, 1000, func(w http.ResponseWriter, r *http.Request,
		forward http.Handler,
	) {
		switch {
		case strings.Contains(r.URL.Path, "refused"):
			problem(403, "cross-origin")(w, r, forward)
		default:
			problem(503, "overloaded")(w, r, forward)
		}
	})
	c := newClient(t, base, quick)
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
	err = lastError(newClient(t, base).Watch(ctx, "1", nil))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// lastError returns the error that ends a sequence.
func lastError[T any](all func(func(T, error) bool)) (last error) {
	for _, err := range all {
		last = err
	}
	return last
}

// TestWatchMalformed: an event that can't be understood ends Watch, since it would come again.
func TestWatchMalformed(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		c := eventServer(t, func(_ int, _ string, say func(string)) bool {
			say("event: changed\ndata: seven\n\n")
			return true
		})
		if err := lastError(c.Watch(t.Context(), "1", nil)); err == nil ||
			!strings.Contains(err.Error(), "can't be understood") {
			t.Error(err)
		}
	})
}

// TestWatch: the current version comes first and then each change, whichever connections are lost
// meanwhile.
func TestWatch(t *testing.T) {
	t.Parallel()
	base, requests := startProxy(t, 1000, func(w http.ResponseWriter, r *http.Request,
		forward http.Handler,
	) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		forward.ServeHTTP(&shortLived{ResponseWriter: w, left: 3, cut: cancel}, r.WithContext(ctx))
	})
	c, direct, user := newClient(t, base, quick), newClient(t, service), newUser(t)
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
	for change, err := range direct.Watch(t.Context(), user, &client.WatchOptions{After: `"3-0"`}) {
		if err != nil || change.Version != 6 || change.Settings != nil {
			t.Errorf("%+v, %v", change, err)
		}
		break
	}
}

// shortLived is an answer that is cut after so many flushes. It asks for the next connection at
// once.
type shortLived struct {
	http.ResponseWriter
	left int
	cut  func()
}

func (s *shortLived) Write(b []byte) (int, error) {
	_, err := s.ResponseWriter.Write(retryLine.ReplaceAll(b, []byte("retry: 1\n")))
	return len(b), err
}

var retryLine = regexp.MustCompile(`(?m)^retry: \d+\n`)

func (s *shortLived) Flush() {
	_ = http.NewResponseController(s.ResponseWriter).Flush()
	if s.left--; s.left == 0 {
		s.cut()
	}
}

// TestWatchSlowLoop: a loop that works longer than the service may be silent loses nothing by that.
func TestWatchSlowLoop(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		connections := 0
		c := eventServer(t, func(n int, _ string, say func(string)) bool {
			connections = n
			say(changed(1) + changed(2))
			time.Sleep(time.Second)
			say(changed(3))
			return true
		}, quick)
		options := &client.WatchOptions{Heartbeat: time.Second}
		want := int64(1)
		for change, err := range c.Watch(t.Context(), "1", options) {
			if err != nil || change.Version != want {
				t.Fatal(change, err)
			}
			if want == 3 {
				break
			}
			want++
			time.Sleep(time.Hour)
		}
		if connections != 1 {
			t.Errorf("%d connections", connections)
		}
	})
}

// TestWatchWaits: the waits grow up to MaxWait, however many attempts fail.
func TestWatchWaits(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
			problem(503, "overloaded")(w, r, nil)
		}, client.WithRetry(client.Retry{Wait: time.Second, MaxWait: time.Minute}))
		ctx, cancel := context.WithCancel(t.Context())
		var lost []time.Time
		err := lastError(c.Watch(ctx, "1", &client.WatchOptions{Lost: func(error) {
			if lost = append(lost, time.Now()); len(lost) == 100 {
				cancel()
			}
		}}))
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for i := range lost[1:] {
			most := time.Second << min(i, 6)
			if wait := lost[i+1].Sub(lost[i]); wait < most/4 || wait > min(most, time.Minute) {
				t.Errorf("wait %d took %v", i, wait)
			}
		}
	})
}

// TestWatchOfEmptyConnections: connections that bring no event count as failed attempts, so that
// the waits between them grow.
func TestWatchOfEmptyConnections(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		connections := 0
		c := eventServer(t, func(n int, _ string, say func(string)) bool {
			connections = n
			say("retry: 0\n\n")
			return false
		}, client.WithRetry(client.Retry{Wait: time.Millisecond, MaxWait: time.Hour}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := lastError(c.Watch(ctx, "1", nil))
		// The waits between them are at least 0.5, 1, 2, 4, … ms.
		if !errors.Is(err, context.DeadlineExceeded) || connections > 11 {
			t.Errorf("%v after %d connections", err, connections)
		}
	})
}
