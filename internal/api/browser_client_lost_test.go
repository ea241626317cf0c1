//go:build browser

package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// lossy is a proxy that loses writes.
type lossy struct {
	*httptest.Server
	losing  atomic.Bool
	applies bool         // what is lost is the answer, not the request
	forgets bool         // the service doesn't know the keys of repetitions
	lost    atomic.Int64 // writes
}

func (s *system) startLossy(t *testing.T, l *lossy) *lossy {
	t.Helper()
	to, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {}, // the page is gone
	}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch && l.losing.Load() {
			if l.applies && l.lost.Load() == 0 { // later ones find no way
				proxy.ServeHTTP(httptest.NewRecorder(), r)
			}
			l.lost.Add(1)
			panic(http.ErrAbortHandler)
		}
		if key := r.Header.Get("Idempotency-Key"); key != "" && l.forgets {
			r.Header.Set("Idempotency-Key", `"another than `+key[1:])
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

// TestBrowserClientLost: a write is lost, or its answer, the page is left, and somebody else writes
// the same value before the next visit. Then the write is sent again. It is made once: over what
// the other has written if it hadn't been made before, and else not. That holds when the service
// doesn't remember the key any more, as after 24 hours.
func TestBrowserClientLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lossy *lossy
		leave bool
		want  string
	}{
		"the request":                        {&lossy{}, false, `{"theme":"mine"}`},
		"the request, and the page":          {&lossy{}, true, `{"theme":"mine"}`},
		"the answer":                         {&lossy{applies: true}, false, `{"theme":"theirs"}`},
		"the answer, and the page":           {&lossy{applies: true}, true, `{"theme":"theirs"}`},
		"the answer, and the key":            {&lossy{applies: true, forgets: true}, false, `{"theme":"theirs"}`},
		"the answer, the key, and the page":  {&lossy{applies: true, forgets: true}, true, `{"theme":"theirs"}`},
		"the request, the key, and the page": {&lossy{forgets: true}, true, `{"theme":"mine"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, apiConfig)
			s.startWorker()
			l := s.startLossy(t, test.lossy)
			s.post("42", `{"theme":"dark"}`)
			w := openBrowser(t).use(l.URL, "42", `{}`)
			w.until(`settings.state.online`)
			l.losing.Store(true)
			w.run(`await settings.set("theme", "mine")`)
			eventually(t, "the write is lost", func() bool { return l.lost.Load() > 0 })
			if test.leave {
				w.leave()
			}
			if a := s.do(http.MethodPut, "/user/42/settings/theme", `"theirs"`, isJSON); a.status != http.StatusOK {
				t.Errorf("%+v", a)
			}
			l.losing.Store(false)
			if test.leave {
				w = w.use(l.URL, "42", `{}`)
			}
			w.shows(test.want)
			s.has("42", 3, test.want)
		})
	}
}
