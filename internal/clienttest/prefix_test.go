package clienttest

import (
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/outset-settings/outset/client"
)

// TestPrefix: the client follows references through a proxy that takes a prefix away.
func TestPrefix(t *testing.T) {
	t.Parallel()
	target, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	base := serve(t, http.StripPrefix("/api", &httputil.ReverseProxy{
		Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}))
	c := newClient(t, base+"/api/")
	user := newUser(t)
	for n := range 102 { // a page of the history has 100
		if _, err := c.Put(t.Context(), user, raw(`{"list":["`+strconv.Itoa(n)+`"]}`)); err != nil {
			t.Fatal(err)
		}
	}
	versions := int64(0)
	for r, err := range c.History(t.Context(), user) {
		if versions++; err != nil || r.Version != 103-versions {
			t.Fatalf("%d: %+v, %v", versions, r, err)
		}
	}
	if versions != 102 {
		t.Errorf("%d versions", versions)
	}
	v, err := c.SetValue(t.Context(), user, client.Path{"list", "-", "a/b", "c:d"}, raw(`1`))
	if err != nil || v.Path.String() != "/list/1/a~1b/c:d" {
		t.Errorf("%+v, %v", v, err)
	}
	v, err = c.SetValue(t.Context(), user, client.Path{"list", "-"}, raw(`1`))
	if err != nil || v.Path.String() != "/list/2" {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := newClient(t, base).Get(t.Context(), user); err == nil {
		t.Error("the proxy serves more than its prefix")
	}
	if _, err := c.Value(t.Context(), user, client.Path{"no", "such"}); !errors.Is(err, client.ErrNotFound) {
		t.Error(err)
	}
}

// TestCompressedAnswers: net/http asks for gzip, and the version and its tag are what they are
// without.
func TestCompressedAnswers(t *testing.T) {
	t.Parallel()
	c := newClient(t, service)
	user, large := newUser(t), `{"a":"`+strings.Repeat("x", 5000)+`"}`
	saved, err := c.Put(t.Context(), user, raw(large))
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Get(t.Context(), user)
	if err != nil || string(s.Document) != large || s.Version != 1 || s.ETag != saved.ETag {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := c.Get(t.Context(), user, client.IfNoneMatch(s.ETag)); !errors.Is(err, client.ErrNotModified) {
		t.Error(err)
	}
	if _, err := c.Put(t.Context(), user, raw(`{}`), client.IfMatch(s.ETag)); err != nil {
		t.Error(err)
	}
}
