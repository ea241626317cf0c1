package client_test

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

// quick repeats without losing time.
var quick = client.WithRetry(client.Retry{Wait: time.Millisecond, MaxWait: time.Millisecond})

// TestRepeated: what may go better in a moment does, and no write is applied twice.
func TestRepeated(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct {
		other    disturbance
		replayed bool
	}{
		"overloaded":              {problem(503, "overloaded"), false},
		"outcome unknown":         {problem(504, "outcome-unknown"), false},
		"a gateway":               {plain(502), false},
		"a gateway that is busy":  {plain(503), false},
		"cut":                     {cut, false},
		"applied and no answer":   {swallow, true},
		"applied and half of it":  {halve, true},
		"a kind of a later time":  {problem(503, "unheard-of"), false},
		"Retry-After that is odd": {problem(503, "unavailable", "Retry-After: soon"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base, requests := between(t, 3, d.other)
			c, user := to(t, base, quick), someone(t)
			s, err := c.Put(t.Context(), user, raw(`{"a":1}`))
			if err != nil || s.Version != 1 || s.Replayed != d.replayed || requests.Load() != 4 {
				t.Errorf("%+v, %v after %d requests", s, err, requests.Load())
			}
			requests.Store(1) // two more are disturbed
			if s, err = c.Get(t.Context(), user); err != nil || s.Version != 1 || string(s.Document) != `{"a":1}` {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// TestGivenUp: after so many attempts the error tells what became of the write.
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
		other       disturbance
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
		"a fault": {
			problem(500, "internal"),
			errors.Join(client.ErrInternal, client.ErrOutcomeUnknown), client.ErrInternal, 1,
		},
		"a gateway's fault":       {plain(500), client.ErrOutcomeUnknown, nil, 1},
		"a gateway's refusal":     {plain(403), nil, nil, 1},
		"cut and then refused":    {mixed(cut, plain(401)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then too large":  {mixed(cut, plain(413)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then a fault":    {mixed(cut, plain(500)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then moved":      {mixed(cut, plain(302)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then a password": {mixed(cut, plain(200)), client.ErrOutcomeUnknown, nil, 2},
		"cut and then precise": {
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
			base, requests := between(t, 1000, d.other)
			c := to(t, base, quick)
			_, err := c.Put(t.Context(), t.Name(), raw(`{}`))
			only(t, err, d.write)
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
			only(t, err, d.read)
		})
	}
}

// only wants an error to be one of them and no other.
func only(t *testing.T, err, want error) {
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

// TestNobodyListens: nothing was sent, so nothing was changed.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	c := to(t, "http://127.0.0.1:1", quick)
	_, err := c.Put(t.Context(), "1", raw(`{}`))
	only(t, err, client.ErrUnavailable)
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "5 attempts") {
		t.Error(err)
	}
	once := to(t, "http://127.0.0.1:1", client.WithRetry(client.Retry{Attempts: 1}))
	if _, err := once.Get(t.Context(), "1"); !strings.Contains(err.Error(), "1 attempt:") {
		t.Error(err)
	}
}

// TestNoWorker: without one nothing is done, which the service says; when one comes, so does the
// answer.
func TestNoWorker(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.stopWorker()
	config := apiConfig
	config.WorkerGrace = 0 // it doesn't wait for one
	base, _ := s.startAPI(config)
	_, err := to(t, base, client.WithRetry(client.Retry{Attempts: 1})).Put(t.Context(), "1", raw(`{}`))
	only(t, err, client.ErrUnavailable)
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 503 || e.RetryAfter != time.Second || e.RequestID == "" {
		t.Errorf("%+v", e)
	}
	var started sync.WaitGroup
	started.Go(func() { s.startWorker() })
	defer started.Wait()
	if got, err := to(t, base, client.WithRetry(client.Retry{Attempts: 30})).Put(t.Context(), "1", raw(`{}`)); err != nil || got.Version != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestContextEnds: the error is that of the context, and says whether a write is in doubt.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	base, _ := between(t, 1000, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		arrived <- struct{}{}
		hang(w, r, forward)
	})
	c := to(t, base, quick)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := c.Put(ctx, "1", raw(`{}`))
	only(t, err, client.ErrOutcomeUnknown)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_, err = c.Get(ctx, "1")
	only(t, err, nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_, err = c.Put(ctx, "1", raw(`{}`)) // it never left
	only(t, err, nil)
	if !errors.Is(err, context.Canceled) || err.Error() != "outset: context canceled" {
		t.Error(err)
	}
}

// TestAttemptsEnd: one that gets no answer doesn't take the others' time.
func TestAttemptsEnd(t *testing.T) {
	t.Parallel()
	base, requests := between(t, 1, hang)
	c := to(t, base, quick, client.WithTimeout(2*time.Second))
	if s, err := c.Put(t.Context(), someone(t), raw(`{}`)); err != nil || s.Version != 1 || requests.Load() != 2 {
		t.Errorf("%+v, %v after %d requests", s, err, requests.Load())
	}
}

// TestRetryAfter: the service is not asked again before, and not waited for in vain.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	base, _ := between(t, 1, problem(503, "overloaded", "Retry-After: 1"))
	began := time.Now()
	if _, err := to(t, base, quick).Get(t.Context(), "1"); err != nil ||
		time.Since(began) < time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	base, requests := between(t, 1000, problem(503, "overloaded",
		"Retry-After: "+time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := to(t, base, quick).Get(ctx, "1")
	only(t, err, client.ErrUnavailable)
	var e *client.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) ||
		e.RetryAfter < 50*time.Minute || requests.Load() != 1 || ctx.Err() != nil {
		t.Errorf("%v (%+v) after %d requests", err, e, requests.Load())
	}
}

// TestOwnKey: with a key of one's own a write may be repeated in another call.
func TestOwnKey(t *testing.T) {
	t.Parallel()
	c, user := to(t, service), someone(t)
	for i, key := range []string{"first", `with "quotes" and \ `, "first"} {
		s, err := c.Patch(t.Context(), user, raw(`{"a":1}`), client.IdempotencyKey(key))
		if err != nil || s.Replayed != (i == 2) || s.Version != []int64{1, 2, 1}[i] {
			t.Errorf("%q: %+v, %v", key, s, err)
		}
	}
}

// TestHeaders go with each request.
func TestHeaders(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	base, _ := between(t, 1, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		got <- r.Header
		forward.ServeHTTP(w, r)
	})
	c := to(t, base, client.WithHeader("Authorization", "Bearer x"),
		client.WithHeader("User-Agent", "mine/1"), client.WithHTTPClient(&http.Client{
			Transport: http.DefaultTransport,
		}))
	if _, err := c.Put(t.Context(), someone(t), raw(`{}`), client.IfAbsent()); err != nil {
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
