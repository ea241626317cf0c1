package clienttest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/outset-settings/outset/client"
)

// TestErrors: each refusal of the service has its kind, status and details.
func TestErrors(t *testing.T) {
	t.Parallel()
	c, ctx, user := newClient(t, service), t.Context(), newUser(t)
	first, err := c.Put(ctx, user, raw(`{"a":1}`), client.IdempotencyKey("first"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(ctx, user, raw(`{"a":2}`)); err != nil {
		t.Fatal(err)
	}
	put := func(document string, options ...client.WriteOption) error {
		_, err := c.Put(ctx, user, raw(document), options...)
		return err
	}
	for name, test := range map[string]struct {
		err    error
		is     error
		status int
		detail string
	}{
		"old version":     {put(`{}`, client.IfMatch(first.ETag)), client.ErrPrecondition, 412, "is 2"},
		"document exists": {put(`{}`, client.IfAbsent()), client.ErrPrecondition, 412, ""},
		"bare number": {
			put(`{}`, client.IfMatch(`"2"`)), client.ErrPrecondition, 412, "send the whole ETag",
		},
		"version 0":     {put(`{}`, client.IfMatch(`"0"`)), client.ErrPrecondition, 412, ""},
		"not JSON":      {put(`{`), client.ErrMalformed, 400, ""},
		"no body":       {put(``), client.ErrMalformed, 400, ""},
		"not an object": {put(`[]`), client.ErrInvalid, 422, "not an object"},
		"too large":     {put(string(sized(64 << 10))), client.ErrTooLarge, 413, ""},
		"reused key": {
			put(`{}`, client.IdempotencyKey("first")), client.ErrKeyReused, 422, "",
		},
		"impossible key": {
			put(`{}`, client.IdempotencyKey("é")), client.ErrMalformed, 400, "Idempotency-Key",
		},
		"impossible tag": {put(`{}`, client.IfMatch("7")), client.ErrMalformed, 400, "If-Match"},
		"not a patch": {
			failed(c.PatchJSON(ctx, user, raw(`{}`))), client.ErrMalformed, 400, "",
		},
		"patch doesn't fit": {
			failed(c.PatchJSON(ctx, user, raw(`[{"op":"remove","path":"/b"}]`))),
			client.ErrNotApplicable, 422, `"/b"`,
		},
		"no value": {
			failed(c.Value(ctx, user, client.Path{"b"})), client.ErrNotFound, 404, `"/b"`,
		},
		"no version": {failed(c.At(ctx, user, 99)), client.ErrNotFound, 404, ""},
		"impossible version": {
			failed(c.Restore(ctx, user, -1)), client.ErrMalformed, 400, "whole number",
		},
		"impossible user":      {failed(c.Get(ctx, "a\x00b")), client.ErrMalformed, 400, "U+0000"},
		"user id not in UTF-8": {failed(c.Get(ctx, "\xff")), client.ErrMalformed, 400, "UTF-8"},
		"impossible history":   {historyError(ctx, c, "\n"), client.ErrMalformed, 400, "U+000A"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e *client.Error
			if !errors.Is(test.err, test.is) || !errors.As(test.err, &e) {
				t.Fatalf("got %v, want %v", test.err, test.is)
			}
			text := strings.TrimPrefix(test.is.Error(), "outset: ")
			if e.Status != test.status || e.Kind != strings.ReplaceAll(text, " ", "-") ||
				!strings.Contains(e.Detail, test.detail) || e.Title == "" || e.RequestID == "" {
				t.Errorf("%+v", e)
			}
			line := e.Error()
			if !strings.HasPrefix(line, "outset: "+text+": ") || strings.Contains(line, "\n") ||
				!strings.Contains(line, e.Detail) || !strings.Contains(line, e.RequestID) {
				t.Error(line)
			}
			if errors.Is(test.is, client.ErrPrecondition) &&
				(e.Version != 2 || string(e.Settings) != `{"a":2}`) {
				t.Errorf("there is %s at %d", e.Settings, e.Version)
			}
			for _, other := range []error{
				client.ErrUnavailable, client.ErrOutcomeUnknown,
				client.ErrInternal, nil,
			} {
				if errors.Is(test.err, other) {
					t.Errorf("it is %v, too", other)
				}
			}
		})
	}
}

func failed[T any](_ T, err error) error { return err }

func historyError(ctx context.Context, c *client.Client, user string) (last error) {
	for _, err := range c.History(ctx, user) {
		last = err
	}
	return last
}

// TestRefusedLocally: what would have no URL, or another one, is refused before anything is sent.
func TestRefusedLocally(t *testing.T) {
	t.Parallel()
	c := newClient(t, "http://127.0.0.1:1")
	for name, err := range map[string]error{
		"no user":            failed(c.Get(t.Context(), "")),
		"no user to erase":   failed(c.Erase(t.Context(), "")),
		"no path":            failed(c.Value(t.Context(), "1", nil)),
		"no path to set":     failed(c.SetValue(t.Context(), "1", client.Path{}, raw(`{}`))),
		"no path to delete":  failed(c.DeleteValue(t.Context(), "1", nil)),
		"no user's history":  historyError(t.Context(), c, ""),
		"a path with a ~":    failed(client.ParsePath("a~b")),
		"a path with a ~ at": failed(client.ParsePath("a~")),
	} {
		if !errors.Is(err, client.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "127.0.0.1:8080", "localhost", "ftp://a", "http://",
		"http://a?b=c", "http://a?", "http://a#b", "http://a b", ":",
	} {
		if _, err := client.New(bad); err == nil || !strings.HasPrefix(err.Error(), "outset: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{
		"http://ann:hush@a?x", "http://ann:hush@a b",
		"http://ann:hush@a:x",
	} {
		if _, err := client.New(bad); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("the error has the password: %v", err)
		}
	}
}

// TestForeignAnswer: an answer that isn't the service's is not taken for one.
func TestForeignAnswer(t *testing.T) {
	t.Parallel()
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/user/page/settings":
			http.Error(w, "<h1>Not here</h1>", http.StatusNotFound)
		case "/user/moved/settings":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case "/elsewhere":
			t.Error("a redirect was followed")
		case "/user/list/history":
			_, _ = w.Write([]byte("<h1>Welcome</h1>"))
		}
	}))
	c := newClient(t, base)
	var e *client.Error
	if _, err := c.Get(t.Context(), "page"); !errors.As(err, &e) || e.Status != 404 ||
		e.Kind != "" || errors.Is(err, client.ErrNotFound) {
		t.Errorf("%v", err)
	} else if got := err.Error(); got != "outset: HTTP status 404: Not Found" {
		t.Error(got)
	}
	const moved = "outset: HTTP status 302: Found, to /elsewhere"
	if _, err := c.Put(t.Context(), "moved", raw(`{}`)); err == nil || err.Error() != moved {
		t.Errorf("%v", err)
	}
	if err := historyError(t.Context(), c, "list"); err == nil ||
		!strings.Contains(
			err.Error(), "status 200: the answer is not the service's: it has no application/json",
		) {
		t.Errorf("%v", err)
	}
}
