package clienttest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/outset-settings/outset/client"
)

// answerWith answers every request with a text, and then ends the connection as it should, or cuts
// it.
func answerWith(t *testing.T, text string, thenCut bool) *client.Client {
	t.Helper()
	return newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "port") {
			w.Header().Set("Content-Type", "application/x-ndjson")
		}
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
		if thenCut {
			panic(http.ErrAbortHandler)
		}
	})), quick)
}

// TestExportCutOff: an export that ends early has an error.
func TestExportCutOff(t *testing.T) {
	t.Parallel()
	const one = `{"user":"1","version":1,"settings":{}}` + "\n"
	const two = `{"user":"2","version":1,"text":" {}"}` + "\n"
	const problem = `{"error":{"kind":"unavailable","status":503,"detail":"D"}}` + "\n"
	for name, c := range map[string]struct {
		text  string
		cut   bool
		users int64
		want  error
	}{
		"whole":           {one + two + `{"end":true,"users":2}` + "\n", false, 2, nil},
		"whole, and then": {one + `{"end":true,"users":1}` + "\n" + two, true, 1, nil},
		"no end":          {one + two, false, 2, client.ErrIncomplete},
		"cut":             {one + two, true, 2, client.ErrIncomplete},
		"cut in a line":   {one + two[:20], true, 1, client.ErrIncomplete},
		"the end is cut":  {one + `{"end":true,"users":1}`, true, 1, client.ErrIncomplete},
		"too few": {
			one + `{"end":true,"users":2}` + "\n", false, 1, client.ErrIncomplete,
		},
		"a problem":          {one + problem, true, 1, client.ErrUnavailable},
		"nothing":            {"", false, 0, client.ErrIncomplete},
		"nothing, and it is": {`{"end":true,"users":0}` + "\n", false, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			users, err := answerWith(t, c.text, c.cut).ExportTo(t.Context(), &b)
			if !errors.Is(err, c.want) || (c.want != nil) != errors.Is(err, client.ErrIncomplete) ||
				users != c.users || err != nil && strings.Count(err.Error(), "outset:") != 1 {
				t.Errorf("%d users, %v; want %d, %v", users, err, c.users, c.want)
			}
			if !strings.HasPrefix(c.text, b.String()) ||
				c.want == nil && strings.Count(b.String(), "\n") != int(users)+1 {
				t.Errorf("wrote %q", &b)
			}
			var got int64
			for s, err := range answerWith(t, c.text, c.cut).Export(t.Context()) {
				if err == nil {
					got++
				} else if !errors.Is(err, c.want) {
					t.Error(err)
				}
				if s.User == "2" && string(s.Document) != " {}" {
					t.Errorf("%+v", s)
				}
			}
			if got != c.users {
				t.Errorf("the loop saw %d users", got)
			}
		})
	}
}

// TestExportEndsEarly: an error of the writer ends an export, and so does leaving the loop.
func TestExportEndsEarly(t *testing.T) {
	t.Parallel()
	c := answerWith(t, `{"user":"1","settings":{}}`+"\n"+`{"end":true,"users":1}`+"\n", false)
	full := errors.New("full")
	if _, err := c.ExportTo(t.Context(), brokenWriter{full}); !errors.Is(err, full) {
		t.Error(err)
	}
	for range c.Export(t.Context()) { //nolint:errcheck // none is looked for
		break
	}
}

// brokenWriter fails at once.
type brokenWriter struct{ err error }

func (b brokenWriter) Write([]byte) (int, error) { return 0, b.err }

// TestImportCutOff: an import that ends early has an error, after the outcomes that came.
func TestImportCutOff(t *testing.T) {
	t.Parallel()
	const one = `{"line":1,"user":"1","status":200,"version":4}` + "\n"
	const two = `{"line":2,"status":400,"error":{"kind":"malformed","status":400}}` + "\n"
	const end = `{"end":true,"lines":2,"applied":1,"failed":1}` + "\n"
	const problem = `{"error":{"kind":"request-timeout","status":408}}` + "\n"
	for name, c := range map[string]struct {
		text     string
		cut      bool
		outcomes int
		want     error
	}{
		"whole":          {one + two + end, false, 2, nil},
		"no end":         {one + two, false, 2, client.ErrIncomplete},
		"cut":            {one + two[:9], true, 1, client.ErrIncomplete},
		"too few":        {one + `{"end":true,"lines":2}` + "\n", false, 1, client.ErrIncomplete},
		"a problem":      {one + problem, true, 1, client.ErrIncomplete},
		"no JSON at all": {one + "<h1>\n", false, 1, client.ErrIncomplete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []client.Outcome
			var last error
			for o, err := range answerWith(t, c.text, c.cut).Import(t.Context(),
				strings.NewReader("{}\n{}\n")) {
				if err != nil {
					last = err
				} else {
					got = append(got, o)
				}
			}
			if len(got) != c.outcomes || !errors.Is(last, c.want) ||
				(last == nil) != (name == "whole") {
				t.Fatalf("%+v, %v", got, last)
			}
			if o := got[0]; o.Line != 1 || o.User != "1" || o.Version != 4 || o.Err != nil {
				t.Errorf("%+v", o)
			}
			if len(got) > 1 && !errors.Is(got[1].Err, client.ErrMalformed) {
				t.Errorf("%+v", got[1])
			}
		})
	}
}

// TestImportRetry: an import is retried until a line was read, and not after.
func TestImportRetry(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	c := newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) > 1 {
			t.Error("again")
		}
		_, _ = bufio.NewReader(r.Body).ReadString('\n')
		problem(503, "overloaded")(w, r, nil)
	})), quick)
	err := lastError(c.Import(t.Context(), strings.NewReader("{}\n")))
	wantKind(t, err, client.ErrUnavailable)
	lines := &counting{}
	err = lastError(newClient(t, "http://127.0.0.1:1", quick).Import(t.Context(), lines))
	wantKind(t, err, client.ErrUnavailable)
	if !strings.Contains(err.Error(), "5 attempts") || lines.reads != 0 || lines.closed != 1 {
		t.Errorf("%v, %d reads, closed %d times", err, lines.reads, lines.closed)
	}
}

type counting struct{ reads, closed int }

func (c *counting) Read([]byte) (int, error) { c.reads++; return 0, io.EOF }
func (c *counting) Close() error             { c.closed++; return nil }

// TestImportSourceFails: the error is that of what the lines come from.
func TestImportSourceFails(t *testing.T) {
	t.Parallel()
	c := answerWith(t, "", false)
	torn := errors.New("torn")
	err := lastError(c.Import(t.Context(), io.MultiReader(strings.NewReader("{}\n"),
		iotest.ErrReader(torn))))
	if !errors.Is(err, torn) || !errors.Is(err, client.ErrIncomplete) {
		t.Error(err)
	}
	settings := func(yield func(client.Settings, error) bool) {
		_ = yield(client.Settings{User: "1", Document: raw(`{}`)}, nil) &&
			yield(client.Settings{}, torn)
	}
	if err := lastError(c.Import(t.Context(), client.Lines(settings))); !errors.Is(err, torn) {
		t.Error(err)
	}
	invalid := func(yield func(client.Settings, error) bool) {
		yield(client.Settings{User: "1", Document: raw(`{`)}, nil)
	}
	if err := lastError(c.Import(t.Context(), client.Lines(invalid))); !errors.Is(err,
		client.ErrMalformed) {
		t.Error(err)
	}
}

// TestImportCanceled: the context and the loop can end an import whose lines never end.
func TestImportCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		lines := bufio.NewScanner(r.Body)
		_ = http.NewResponseController(w).EnableFullDuplex()
		for n := 1; lines.Scan(); n++ {
			fmt.Fprintf(w, `{"line":%d,"user":"1","status":200,"version":%d}`+"\n", n, n)
			_ = http.NewResponseController(w).Flush()
		}
	})))
	endless := func(yield func(client.Settings, error) bool) {
		for yield(client.Settings{User: "1", Document: raw(`{}`)}, nil) {
		}
	}
	n := 0
	var last error
	for _, err := range c.Import(ctx, client.Lines(endless)) {
		if n++; n == 10 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) || n < 10 {
		t.Errorf("%v after %d", last, n)
	}
	n = 0
	for _, err := range c.Import(t.Context(), client.Lines(endless)) {
		if n++; n == 10 || err != nil {
			break
		}
	}
	if n != 10 {
		t.Errorf("left after %d", n)
	}
}

// TestStreamTimeout: the timeout of an attempt limits the time until a stream begins.
func TestStreamTimeout(t *testing.T) {
	withFakeClock(t, func(t *testing.T) {
		c := clientOf(t, func(w http.ResponseWriter, r *http.Request) { hang(w, r, nil) },
			client.WithTimeout(time.Second),
			client.WithRetry(client.Retry{Attempts: 2, Wait: 1}))
		begin := time.Now()
		err := lastError(c.Export(t.Context()))
		wantKind(t, err, client.ErrUnavailable)
		if took := time.Since(begin); errors.Is(err, context.Canceled) || took < 2*time.Second ||
			took > 2*time.Second+time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		err = lastError(c.Import(t.Context(), strings.NewReader("{}\n")))
		if err == nil || errors.Is(err, context.Canceled) {
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
	})
}
