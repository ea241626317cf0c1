package clienttest

import (
	"bytes"
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

// TestImport: what one service exports another imports, byte for byte, and back.
func TestImport(t *testing.T) {
	t.Parallel()
	first, second := newClient(t, newSystem(t).base), newClient(t, newSystem(t).base)
	want := save(t, first, 120)
	var file bytes.Buffer
	if _, err := first.ExportTo(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	importAll(t, second, &file, want, 1)
	importAll(t, first, client.Lines(second.Export(t.Context())), want, 2)
}

// importAll compares the outcomes of an import, and then all documents.
func importAll(
	t *testing.T, c *client.Client, lines io.Reader, want map[string]string, version int64,
) {
	t.Helper()
	n := int64(0)
	for o, err := range c.Import(t.Context(), lines) {
		if n++; err != nil || o.Err != nil || o.Line != n || o.Version != version ||
			want[o.User] == "" {
			t.Fatalf("%+v, %v", o, err)
		}
	}
	for s, err := range c.Export(t.Context()) {
		if n--; err != nil || string(s.Document) != want[s.User] || s.Version != version {
			t.Fatalf("%+v (%s), %v", s, s.Document, err)
		}
	}
	if n != 0 {
		t.Errorf("%d users more were imported than exported", n)
	}
}

// TestImportFailures: a line that fails doesn't keep others from being imported.
func TestImportFailures(t *testing.T) {
	t.Parallel()
	c, user := newClient(t, service), newUser(t)
	lines := []struct {
		text string
		want error
	}{
		{fmt.Sprintf(`{"user":%q,"settings":{"a":1},"version":9,"time":"now"}`, user), nil},
		{`{"user":"1","settings":`, client.ErrMalformed},
		{`{"user":"\u0000","settings":{}}`, client.ErrMalformed},
		{`{"user":"1"}`, client.ErrMalformed},
		{`{"user":"1","settings":[]}`, client.ErrInvalid},
		{fmt.Sprintf(`{"user":%q,"settings":%s}`, user, sized(64<<10)), client.ErrTooLarge},
		{fmt.Sprintf(`{"user":%q,"text":" {\n} "}`, user), nil},
	}
	var all []string
	for _, l := range lines {
		all = append(all, l.text)
	}
	n := 0
	// the last has no line break
	for o, err := range c.Import(t.Context(), strings.NewReader(strings.Join(all, "\n"))) {
		if err != nil {
			t.Fatal(err)
		}
		want := lines[n].want
		if n++; o.Line != int64(n) || !errors.Is(o.Err, want) ||
			want == nil && (o.User != user || o.Err != nil) {
			t.Errorf("%d: %+v, want %v", n, o, want)
		}
	}
	if s, err := c.Get(t.Context(), user); n != len(lines) || err != nil ||
		string(s.Document) != " {\n} " || s.Version != 2 {
		t.Errorf("%d outcomes, %+v (%s), %v", n, s, s.Document, err)
	}
	if err := lastError(c.Import(t.Context(), strings.NewReader("\n\n"))); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

// TestImportModes: lines can be merged into documents, or only taken where there is none.
func TestImportModes(t *testing.T) {
	t.Parallel()
	c, user := newClient(t, service), newUser(t)
	if _, err := c.Put(t.Context(), user, raw(`{"a":1,"b":2}`)); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf(`{"user":%q,"settings":{"b":null}}`, user)
	for o, err := range c.Import(t.Context(), strings.NewReader(line), client.Creating()) {
		if err != nil || !errors.Is(o.Err, client.ErrPrecondition) {
			t.Errorf("%+v, %v", o, err)
		}
	}
	for o, err := range c.Import(t.Context(), strings.NewReader(line), client.Merging()) {
		if err != nil || o.Err != nil || o.Version != 2 {
			t.Errorf("%+v, %v", o, err)
		}
	}
	if s, err := c.Get(t.Context(), user); err != nil || string(s.Document) != `{"a":1}` {
		t.Errorf("%s, %v", s.Document, err)
	}
}

// TestLargeImport: more lines and outcomes than any buffer on the way holds don't block the import.
func TestLargeImport(t *testing.T) {
	t.Parallel()
	c, user := newClient(t, service), newUser(t)
	const users = 3000
	document := raw(`{"text":"` + strings.Repeat("x", 2000) + `"}`)
	settings := func(yield func(client.Settings, error) bool) {
		for i := range users {
			if !yield(client.Settings{User: fmt.Sprint(user, i), Document: document}, nil) {
				return
			}
		}
	}
	n := 0
	for o, err := range c.Import(t.Context(), client.Lines(settings)) {
		if err != nil || o.Err != nil || o.User != fmt.Sprint(user, n) {
			t.Fatalf("%+v, %v", o, err)
		}
		n++
	}
	if n != users {
		t.Errorf("%d outcomes", n)
	}
}

// ndjson makes a response as a transport returns it.
func ndjson(r *http.Request, status int, text string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-ndjson"}},
		Request: r,
		Body:    io.NopCloser(strings.NewReader(text)),
	}
}

// TestImportLateRead: a transport that reads on after its attempt has ended takes no lines of the
// next one.
func TestImportLateRead(t *testing.T) {
	t.Parallel()
	var first io.Reader
	var late error
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if first == nil {
			first = r.Body
			return ndjson(r, http.StatusServiceUnavailable, ""), nil
		}
		_, late = first.Read(make([]byte, 3))
		sent, err := io.ReadAll(r.Body)
		if err != nil || string(sent) != "{}\n" {
			t.Errorf("sent %q, %v", sent, err)
		}
		return ndjson(r, http.StatusOK, `{"end":true,"lines":0}`+"\n"), nil
	})
	c := newClient(t, "http://a", quick, client.WithHTTPClient(&http.Client{Transport: transport}))
	err := lastError(c.Import(t.Context(), io.MultiReader(strings.NewReader("{}\n"))))
	if err != nil || late == nil {
		t.Errorf("%v; the late read returned %v", err, late)
	}
}

// TestImportLeft: after the loop no lines are read.
func TestImportLeft(t *testing.T) {
	t.Parallel()
	var body io.Reader
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		body = r.Body
		return ndjson(r, http.StatusOK, `{"line":1,"user":"1","version":1}`+"\n"), nil
	})
	c := newClient(t, "http://a", quick, client.WithHTTPClient(&http.Client{Transport: transport}))
	lines := strings.NewReader("{}\n")
	for range c.Import(t.Context(), lines) { //nolint:errcheck // none is looked for
		break
	}
	if n, err := body.Read(make([]byte, 10)); n != 0 || err == nil || errors.Is(err, io.EOF) ||
		lines.Len() != 3 {
		t.Errorf("read %d, %v; left %d", n, err, lines.Len())
	}
}

// TestImportBlocked: the context and the loop can end an import whose lines never come.
func TestImportBlocked(t *testing.T) {
	t.Parallel()
	c := newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		case <-time.After(5 * time.Minute):
			t.Error("the import waits for the lines")
		}
		cancel()
		close(never)
		if begun.Load() { // else the first outcome was there before the first line was asked for
			<-ended
		}
	}
}

// TestLinesUnread: the sequence doesn't begin before the first Read. TestMain finds goroutines that
// are left.
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
