package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/api"
)

// provider is an identity provider: it publishes keys over HTTP.
type provider struct {
	*httptest.Server

	keys atomic.Pointer[[]byte]
}

func newProvider(t *testing.T, keys ...*signingKey) *provider {
	t.Helper()
	p := &provider{}
	p.publish(t, keys...)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(*p.keys.Load())
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) publish(t *testing.T, keys ...*signingKey) {
	t.Helper()
	set := jwks(t, keys...)
	p.keys.Store(&set)
}

// TestRotationUnderLoad: while the provider changes its keys and then goes away, no request fails
// whose token is signed with the newest key or the one before.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	const clients, rotations = 8, 3
	last := newSigningKey(t, "0")
	p := newProvider(t, last)
	s := newSecured(t, func(c *api.Config) { c.JWTKeys, c.UserRate = p.URL, 0 })
	s.startWorker()

	var current atomic.Pointer[signingKey]
	current.Store(last)
	var answered [clients]atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for n := range clients {
		user := fmt.Sprintf("user-%d", n)
		all.Go(func() {
			for sent := 0; ; sent++ {
				select {
				case <-stop:
					return
				default:
				}
				header := "Authorization: Bearer " + current.Load().sign(t, user)
				a, err := s.try("PUT", "/user/"+user+"/settings", fmt.Sprintf(`{"n":%d}`, sent), isJSON, header)
				if err != nil || a.status >= http.StatusMultipleChoices {
					t.Errorf("%d %s %v", a.status, a.body, err)
					return
				}
				answered[n].Add(1)
			}
		})
	}
	// more returns once each client has a token of the newest key.
	more := func() {
		t.Helper()
		var before [clients]int64
		for n := range answered {
			before[n] = answered[n].Load()
		}
		eventually(t, "each client was answered", func() bool {
			for n := range answered {
				if answered[n].Load() <= before[n]+1 && !t.Failed() {
					return false
				}
			}
			return true
		})
	}
	more()
	for n := range rotations {
		next := newSigningKey(t, fmt.Sprint(n+1))
		p.publish(t, last, next)
		current.Store(next)
		more()
		last = next
	}
	p.Close()
	more()
	close(stop)
	all.Wait()
}

// TestStreamOfWithdrawnKey: a stream ends when the key of its token is published no more.
func TestStreamOfWithdrawnKey(t *testing.T) {
	t.Parallel()
	stolen, next := newSigningKey(t, "stolen"), newSigningKey(t, "next")
	p := newProvider(t, stolen)
	s := newSecured(t, func(c *api.Config) {
		c.JWTKeys, c.EventsHeartbeat = p.URL, 100*time.Millisecond
	})
	s.startWorker()
	stream := s.watch(t, "/user/ann/events", "Authorization: Bearer "+stolen.sign(t, "ann"))
	stream.next()
	p.publish(t, next)
	// A token of a key that is not known has the keys read again.
	if a := s.do("GET", "/user/ann/settings", "", "Authorization: Bearer "+next.sign(t, "ann")); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	stream.ended()
}
