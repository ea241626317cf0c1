package clienttest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// quick retries almost at once.
var quick = client.WithRetry(client.Retry{Wait: time.Millisecond, MaxWait: time.Millisecond})

// TestRetry: temporary failures are retried, and no write is applied twice.
func TestRetry(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct {
		disturb  disturbance
		replayed bool
	}{
		"overloaded":             {problem(503, "overloaded"), false},
		"outcome unknown":        {problem(504, "outcome-unknown"), false},
		"a gateway":              {plain(502), false},
		"a gateway that is busy": {plain(503), false},
		"cut":                    {cut, false},
		"applied and no answer":  {loseAnswer, true},
		"applied and half of it": {loseHalf, true},
		"an unknown kind":        {problem(503, "unheard-of"), false},
		"malformed Retry-After":  {problem(503, "unavailable", "Retry-After: soon"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, requests := startProxy(t, 3, d.disturb)
			c, user := newClient(t, base, quick), newUser(t)
			s, err := c.Put(t.Context(), user, raw(`{"a":1}`))
			if err != nil || s.Version != 1 || s.Replayed != d.replayed || requests.Load() != 4 {
				t.Errorf("%+v, %v after %d requests", s, err, requests.Load())
			}
			requests.Store(1) // two more are disturbed
			s, err = c.Get(t.Context(), user)
			if err != nil || s.Version != 1 || string(s.Document) != `{"a":1}` {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// TestGivenUp: after the last attempt the error tells whether the write may have been applied.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	mixed := func(first, then disturbance) disturbance {
		var n atomic.Int64
		return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if n.Add(1) == 1 {
				first(w, r, forward)
			} else {
				then(w, r, forward)
			}
		}
	}
	for name, d := range map[string]struct {
		disturb     disturbance
		write, read error
		attempts    int64
	}{
		"overloaded": {
			problem(503, "overloaded"), client.ErrUnavailable,
			client.ErrUnavailable, 5,
		},
		"outcome unknown": {
			problem(504, "outcome-unknown"), client.ErrOutcomeUnknown,
			client.ErrUnavailable, 5,
		},
		"a gateway":              {plain(502), client.ErrOutcomeUnknown, client.ErrUnavailable, 5},
		"a gateway that is busy": {plain(503), client.ErrOutcomeUnknown, client.ErrUnavailable, 5},
		"cut":                    {cut, client.ErrOutcomeUnknown, client.ErrUnavailable, 5},
		"cut and then overloaded": {
			mixed(cut, problem(503, "overloaded")),
			client.ErrOutcomeUnknown, client.ErrUnavailable, 5,
		},
		"internal error": {
			problem(500, "internal"),
			errors.Join(client.ErrInternal, client.ErrOutcomeUnknown), client.ErrInternal, 1,
		},
		"a gateway's 500":           {plain(500), client.ErrOutcomeUnknown, nil, 1},
		"a gateway's refusal":       {plain(403), nil, nil, 1},
		"cut and then refused":      {mixed(cut, plain(401)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then too large":    {mixed(cut, plain(413)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then a 500":        {mixed(cut, plain(500)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then moved":        {mixed(cut, plain(302)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then a login page": {mixed(cut, plain(200)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then a refusal": {
			mixed(cut, problem(412, "precondition-failed")),
			client.ErrPrecondition, client.ErrPrecondition, 2,
		},
		"a refusal": {
			problem(412, "precondition-failed"), client.ErrPrecondition,
			client.ErrPrecondition, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, requests := startProxy(t, 1000, d.disturb)
			c := newClient(t, base, quick)
			_, err := c.Put(t.Context(), t.Name(), raw(`{}`))
			wantKind(t, err, d.write)
			if err == nil || strings.Count(err.Error(), "outset:") != 1 {
				t.Error(err)
			}
			if e := new(client.Error); errors.As(err, &e) && strings.HasPrefix(name, "a gateway") &&
				e.Kind != "" {
				t.Errorf("the service is said to have answered %q", e.Kind)
			}
			if requests.Load() != d.attempts {
				t.Errorf("%d attempts: %v", requests.Load(), err)
			}
			_, err = c.Get(t.Context(), t.Name())
			wantKind(t, err, d.read)
		})
	}
}

// wantKind checks that an error is of this kind and of no other.
func wantKind(t *testing.T, err, want error) {
	t.Helper()
	for _, kind := range []error{
		client.ErrUnavailable, client.ErrOutcomeUnknown,
		client.ErrInternal, client.ErrPrecondition,
	} {
		if errors.Is(err, kind) != errors.Is(want, kind) {
			t.Errorf("%v: is it %q? want %q", err, kind, want)
		}
	}
}

// TestConnectionRefused: nothing was sent, so nothing was changed.
func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	c := newClient(t, "http://127.0.0.1:1", quick)
	_, err := c.Put(t.Context(), "1", raw(`{}`))
	wantKind(t, err, client.ErrUnavailable)
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "5 attempts") {
		t.Error(err)
	}
	once := newClient(t, "http://127.0.0.1:1", client.WithRetry(client.Retry{Attempts: 1}))
	if _, err := once.Get(t.Context(), "1"); !strings.Contains(err.Error(), "1 attempt:") {
		t.Error(err)
	}
}

// TestNoWorker: without a worker the service answers that nothing was done. A client that goes on
// retrying succeeds once a worker comes.
func TestNoWorker(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.stopWorker()
	config := apiConfig
	config.WorkerGrace = 0 // the API answers at once
	base, _ := s.startAPI(config)
	once := newClient(t, base, client.WithRetry(client.Retry{Attempts: 1}))
	_, err := once.Put(t.Context(), "1", raw(`{}`))
	wantKind(t, err, client.ErrUnavailable)
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 503 || e.RetryAfter != time.Second || e.RequestID == "" {
		t.Errorf("%+v", e)
	}
	var started sync.WaitGroup
	started.Go(func() { s.startWorker() })
	defer started.Wait()
	patient := newClient(t, base, client.WithRetry(client.Retry{Attempts: 1000}))
	if got, err := patient.Put(t.Context(), "1", raw(`{}`)); err != nil || got.Version != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestContextEnds: the error is that of the context, and of a write that was sent it says that the
// outcome is unknown.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		hang(w, r, nil)
	}))
	c := newClient(t, base, quick)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := c.Put(ctx, "1", raw(`{}`))
	wantKind(t, err, client.ErrOutcomeUnknown)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_, err = c.Get(ctx, "1")
	wantKind(t, err, nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_, err = c.Put(ctx, "1", raw(`{}`)) // it was not sent
	wantKind(t, err, nil)
	if !errors.Is(err, context.Canceled) || err.Error() != "outset: context canceled" {
		t.Error(err)
	}
}

// TestAttemptTimeout: an attempt without an answer ends after its timeout, and the next one
// follows.
func TestAttemptTimeout(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		var requests atomic.Int64
		begin := time.Now()
		c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) == 1 {
				<-r.Context().Done()
				return
			}
			w.Header().Set("ETag", `"1"`)
		}, client.WithTimeout(2*time.Second), quick)
		s, err := c.Put(t.Context(), "1", raw(`{}`))
		if err != nil || s.Version != 1 || requests.Load() != 2 {
			t.Errorf("%+v, %v after %d requests", s, err, requests.Load())
		}
		if took := time.Since(begin).Round(10 * time.Millisecond); took != 2*time.Second {
			t.Errorf("the second attempt began after %v", took)
		}
	})
}

// TestRetryWaits: the waits double up to MaxWait, and a random half of each is left out.
func TestRetryWaits(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		var last time.Time
		var waits []time.Duration
		c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
			if !last.IsZero() {
				waits = append(waits, time.Since(last))
			}
			last = time.Now()
			problem(503, "overloaded")(w, r, nil)
		}, client.WithRetry(client.Retry{
			Attempts: 6, Wait: time.Second, MaxWait: 5 * time.Second,
		}))
		_, err := c.Get(t.Context(), "1")
		wantKind(t, err, client.ErrUnavailable)
		most := []time.Duration{
			time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second,
		}
		if len(waits) != len(most) {
			t.Fatalf("waited %v", waits)
		}
		for i, wait := range waits {
			if wait < most[i]/2 || wait > most[i] {
				t.Errorf("wait %d took %v, want %v at most", i, wait, most[i])
			}
		}
	})
}

// TestRetryAfter: the client comes back when the service wants it to, as seconds or as a date. If
// the deadline is earlier, it gives up at once.
func TestRetryAfter(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		for _, asDate := range []bool{false, true} {
			requests, begin := 0, time.Now()
			c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
				if requests++; requests > 1 {
					w.Header().Set("ETag", `"0"`)
					return
				}
				header := "30"
				if asDate {
					header = time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
				}
				problem(503, "overloaded", "Retry-After: "+header)(w, r, nil)
			}, quick)
			_, err := c.Get(t.Context(), "1")
			// A date has no fractions of a second.
			if took := time.Since(begin); err != nil || took < 29*time.Second ||
				took > 30*time.Second+time.Millisecond {
				t.Errorf("as a date: %v: %v after %v", asDate, err, took)
			}
		}
		requests, begin := 0, time.Now()
		c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
			requests++
			problem(503, "overloaded", "Retry-After: 3600")(w, r, nil)
		}, quick)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.Get(ctx, "1")
		wantKind(t, err, client.ErrUnavailable)
		var e *client.Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) ||
			e.RetryAfter != time.Hour || requests != 1 || time.Since(begin) != 0 {
			t.Errorf("%v (%+v) after %d requests and %v", err, e, requests, time.Since(begin))
		}
	})
}

// TestOwnIdempotencyKey: with it, another call may repeat a write.
func TestOwnIdempotencyKey(t *testing.T) {
	t.Parallel()
	c, user := newClient(t, service), newUser(t)
	for i, key := range []string{"first", `with "quotes" and \ `, "first"} {
		s, err := c.Patch(t.Context(), user, raw(`{"a":1}`), client.IdempotencyKey(key))
		if err != nil || s.Replayed != (i == 2) || s.Version != []int64{1, 2, 1}[i] {
			t.Errorf("%q: %+v, %v", key, s, err)
		}
	}
}

// TestHeaders: a request has the headers of its options and of the client's.
func TestHeaders(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	base, _ := startProxy(t, 1, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		got <- r.Header
		forward.ServeHTTP(w, r)
	})
	c := newClient(t, base, client.WithHeader("Authorization", "Bearer x"),
		client.WithHeader("User-Agent", "mine/1"), client.WithHTTPClient(&http.Client{
			Transport: http.DefaultTransport,
		}))
	if _, err := c.Put(t.Context(), newUser(t), raw(`{}`), client.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	h := <-got
	for name, value := range map[string]string{
		"Authorization": "Bearer x", "User-Agent": "mine/1", "If-None-Match": "*",
		"Content-Type": "application/json",
	} {
		if len(h.Values(name)) != 1 || h.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, h.Get(name), value)
		}
	}
	if key := h.Get("Idempotency-Key"); len(key) < 20 {
		t.Errorf("the key is %q", key)
	}
}
