package access_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/internal/testwait"
)

// TestRotation: while keys come and go and many requests are sent, no request fails whose token was
// signed with a key that was published.
func TestRotation(t *testing.T) {
	t.Parallel()
	p := newProvider(t, jwks(t, newES256(t, "0")))
	a := run(t, access.Config{JWT: usualJWT(p.URL)}, func(a *access.Authenticator) {
		a.Pace(time.Minute, 20*time.Millisecond)
	})
	var current atomic.Pointer[signer]
	rotate := func(n int, before *signer) *signer {
		next := newES256(t, fmt.Sprint(n))
		published := []*signer{next}
		if before != nil {
			published = append(published, before)
		}
		p.publish(jwks(t, published...))
		current.Store(next)
		return next
	}
	last := rotate(1, nil)

	const users = 16
	stop := make(chan struct{})
	var requests [users]atomic.Int64 // of each client
	var failed atomic.Int64
	var clients sync.WaitGroup
	stale := newES256(t, "stale") // somebody still has a token of a key that is gone
	for c := range users {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				claims := usual(jwt.MapClaims{"sub": fmt.Sprintf("user-%d-%d", c, n)})
				if c == 0 {
					_, _ = a.Authenticate(t.Context(), stale.sign(t, claims, nil))
					continue
				}
				// the key may be replaced meanwhile; the one before counts still
				if _, err := a.Authenticate(t.Context(), current.Load().sign(t, claims, nil)); err != nil {
					failed.Add(1)
					t.Error(err)
				}
				requests[c].Add(1)
			}
		})
	}
	// Each client has a token of the newest key before the one before that goes: whoever signed
	// earlier, and waited for a processor meanwhile, would rightly be refused.
	settle := func() {
		t.Helper()
		var before [users]int64
		for c := range requests {
			before[c] = requests[c].Load()
		}
		eventually(t, "each client has sent a request", func() bool {
			for c := 1; c < users; c++ {
				if requests[c].Load() <= before[c]+1 {
					return false
				}
			}
			return true
		})
	}
	for n := 2; n < 12; n++ {
		settle()
		last = rotate(n, last)
	}
	settle()
	close(stop)
	clients.Wait()
	var all int64
	for c := range requests {
		all += requests[c].Load()
	}
	t.Logf("%d requests, %d failed, the keys were read %d times", all, failed.Load(), p.readings())
}

// TestWithdrawnKey: what was verified with a key that is gone counts no more, nor does an open
// stream's identity.
func TestWithdrawnKey(t *testing.T) {
	t.Parallel()
	stolen, kept := newES256(t, "stolen"), newES256(t, "kept")
	p := newProvider(t, jwks(t, stolen, kept))
	a := run(t, access.Config{JWT: usualJWT(p.URL)}, func(a *access.Authenticator) {
		a.Pace(time.Millisecond, time.Millisecond)
	})
	bad, good := stolen.sign(t, usual(nil), nil), kept.sign(t, usual(nil), nil)
	var ids []*access.Identity
	for _, token := range [][]byte{bad, good} {
		id, err := a.Authenticate(t.Context(), token)
		if err != nil || !a.Valid(id) {
			t.Fatal(id, err)
		}
		ids = append(ids, id)
	}
	p.publish(jwks(t, kept))
	eventually(t, "the key is gone", func() bool {
		_, err := a.Authenticate(t.Context(), bad)
		return err != nil
	})
	if _, err := a.Authenticate(t.Context(), good); err != nil {
		t.Errorf("the other key: %v", err)
	}
	if a.Valid(ids[0]) || !a.Valid(ids[1]) {
		t.Errorf("valid: %v with the key that is gone, %v with the other", a.Valid(ids[0]), a.Valid(ids[1]))
	}
	another := newES256(t, "kept") // under the same id
	p.publish(jwks(t, another))
	eventually(t, "the key is another", func() bool {
		_, err := a.Authenticate(t.Context(), good)
		return err != nil
	})
}

// TestSourceAway: while the source is away, or has no keys, those that were read last count.
func TestSourceAway(t *testing.T) {
	t.Parallel()
	s := newES256(t, "1")
	p := newProvider(t, jwks(t, s))
	addr := p.Listener.Addr().String()
	log := &testlog.Buffer{}
	a := run(t, access.Config{JWT: usualJWT(p.URL), Log: log.Logger()}, func(a *access.Authenticator) {
		a.Pace(time.Millisecond, time.Millisecond)
	})
	n := 0
	counts := func(s *signer) bool {
		n++ // a token that was never seen
		_, err := a.Authenticate(t.Context(), s.sign(t, usual(jwt.MapClaims{"jti": fmt.Sprint(n)}), nil))
		return err == nil
	}
	if !counts(s) {
		t.Fatal("it doesn't count at first")
	}
	p.Close()
	eventually(t, "the source is missed", func() bool { return strings.Contains(log.String(), "reading failed") })
	for range 100 {
		if !counts(s) {
			t.Fatal("it doesn't count while the source is away")
		}
	}
	if a.Ready() != nil {
		t.Error("it isn't ready while the source is away")
	}
	unknown := newES256(t, "unknown").sign(t, usual(nil), nil)
	if _, err := a.Authenticate(t.Context(), unknown); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("a token of a key that may be new is %v", err)
	}

	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	next := newES256(t, "2")
	var body atomic.Pointer[[]byte]
	answer := []byte(`{"error":"please come back later"}`)
	body.Store(&answer)
	var asked atomic.Int64
	back := &httptest.Server{Listener: l, Config: &http.Server{
		ReadHeaderTimeout: ample,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			_, _ = w.Write(*body.Load())
		}),
	}}
	back.Start()
	t.Cleanup(back.Close)
	eventually(t, "it is asked again", func() bool { return asked.Load() > 2 })
	if !counts(s) {
		t.Error("an answer without keys has taken them")
	}
	keys := jwks(t, next)
	body.Store(&keys)
	if !counts(next) {
		t.Error("a new key doesn't count once the source is back")
	}
	eventually(t, "the old key is gone", func() bool { return !counts(s) })
}

// TestNoKeysYet: before the first reading nobody can tell whether a token is good.
func TestNoKeysYet(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "jwks.json")
	a := run(t, access.Config{JWT: usualJWT(file)}, func(a *access.Authenticator) {
		a.Pace(time.Millisecond, time.Millisecond)
	})
	s := newES256(t, "1")
	if _, err := a.Authenticate(t.Context(), s.sign(t, usual(nil), nil)); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("it is %v", err)
	}
	if !errors.Is(a.Ready(), access.ErrUnavailable) {
		t.Error("it is ready")
	}
	if err := os.WriteFile(file, jwks(t, s), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the keys are there", func() bool {
		_, err := a.Authenticate(t.Context(), s.sign(t, usual(nil), nil))
		return err == nil
	})
}

// TestUnusableKeys: keys that no token may be signed with are left out, the others count.
func TestUnusableKeys(t *testing.T) {
	t.Parallel()
	good, weak := newES256(t, "good"), newES256(t, "weak")
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(jwks(t, good, weak, newES256(t, "enc"), newES256(t, "good")), &set); err != nil {
		t.Fatal(err)
	}
	set.Keys[1]["alg"] = "HS256"
	set.Keys[2]["use"] = "enc"
	set.Keys = append(set.Keys,
		map[string]any{"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256"},
		map[string]any{"kty": "RSA", "kid": "short", "e": "AQAB", "n": strings.Repeat("_w", 64)},
		map[string]any{"kty": "new", "kid": "new"}, map[string]any{})
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	log := &testlog.Buffer{}
	p := newProvider(t, data)
	a := run(t, access.Config{JWT: usualJWT(p.URL), Log: log.Logger()})
	if _, err := a.Authenticate(t.Context(), good.sign(t, usual(nil), nil)); err != nil {
		t.Error(err)
	}
	if _, err := a.Authenticate(t.Context(), weak.sign(t, usual(nil), nil)); err == nil {
		t.Error("a key for something else counts")
	}
	if !strings.Contains(log.String(), "are not used") {
		t.Error("the log doesn't tell")
	}
}

// TestPinnedSource: a redirect isn't followed, and a set without an end isn't read.
func TestPinnedSource(t *testing.T) {
	t.Parallel()
	s := newES256(t, "1")
	p := newProvider(t, jwks(t, s))
	for name, handler := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, p.URL, http.StatusFound) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 12 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		},
	} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		a := run(t, access.Config{JWT: usualJWT(server.URL)})
		if _, err := a.Authenticate(t.Context(), s.sign(t, usual(nil), nil)); !errors.Is(err, access.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnknownKeysCostLittle: a flood of tokens with unknown keys makes few readings.
func TestUnknownKeysCostLittle(t *testing.T) {
	t.Parallel()
	p := newProvider(t, jwks(t, newES256(t, "1")))
	a := run(t, access.Config{JWT: usualJWT(p.URL)})
	eventually(t, "the keys are read", func() bool { return a.Ready() == nil })
	before := p.readings()
	stranger := newES256(t, "other")
	var all sync.WaitGroup
	const flood = 200
	started := make(chan struct{})
	for n := range flood {
		token := stranger.sign(t, usual(nil), map[string]any{"kid": fmt.Sprint("other", n)})
		all.Go(func() {
			<-started
			_, _ = a.Authenticate(t.Context(), token)
		})
	}
	close(started)
	all.Wait()
	if n := p.readings() - before; n > flood/4 {
		t.Errorf("%d tokens made %d readings", flood, n)
	}
	// and the same token again makes none
	token := stranger.sign(t, usual(nil), nil)
	_, _ = a.Authenticate(t.Context(), token)
	before = p.readings()
	for range 100 {
		_, _ = a.Authenticate(t.Context(), token)
	}
	if n := p.readings() - before; n > 1 {
		t.Errorf("one token made %d readings", n)
	}
}

// eventually waits for a condition, and fails the test if it takes far too long.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, ample, what, condition)
}
