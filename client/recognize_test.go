package client_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

var quietly = log.New(io.Discard, "", 0)

// TestRecognized: a page that asks for a password is no success of anything.
func TestRecognized(t *testing.T) {
	t.Parallel()
	base, requests := between(t, 1000, func(w http.ResponseWriter, r *http.Request,
		_ http.Handler,
	) {
		w.Header().Set("ETag", `"a-hash"`)
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>Who are you?</html>")
	})
	c, ctx := to(t, base, quick), t.Context()
	path := client.Path{"a"}
	for name, err := range map[string]error{
		"get":        failed(c.Get(ctx, "1")),
		"value":      failed(c.Value(ctx, "1", path)),
		"at":         failed(c.At(ctx, "1", 1)),
		"schema":     failed(c.Schema(ctx)),
		"check":      failed(c.CheckSchema(ctx, raw(`{}`))),
		"history":    historyError(ctx, c, "1"),
		"users":      lastError(c.Users(ctx, nil)),
		"export":     lastError(c.Export(ctx)),
		"import":     lastError(c.Import(ctx, strings.NewReader("{}"))),
		"watch":      lastError(c.Watch(ctx, "1", nil)),
		"batch":      failed(c.Batch(ctx, client.OpGet("1"))),
		"put":        failed(c.Put(ctx, "1", raw(`{}`))),
		"delete":     failed(c.Delete(ctx, "1")),
		"set value":  failed(c.SetValue(ctx, "1", path, raw(`1`))),
		"put schema": failed(c.PutSchema(ctx, raw(`{}`))),
		"put batch":  failed(c.Batch(ctx, client.OpPut("1", raw(`{}`)))),
	} {
		var e *client.Error
		if !errors.As(err, &e) || e.Status != 200 || e.Kind != "" {
			t.Errorf("%s: %v", name, err)
		}
		write := strings.HasPrefix(name, "put") || name == "delete" || name == "set value"
		if errors.Is(err, client.ErrOutcomeUnknown) != write {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := requests.Load(); n != 16 {
		t.Errorf("%d requests", n)
	}
}

// TestWatchOfSomebodyElse: a connection that brings nothing is made again less and less often.
func TestWatchOfSomebodyElse(t *testing.T) {
	t.Parallel()
	base := stream(t, func(_ int64, _ string, say func(string)) bool {
		say("retry: 0\n\n")
		return false
	})
	c := to(t, base, client.WithRetry(client.Retry{Wait: time.Millisecond, MaxWait: time.Hour}))
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	lost := 0
	err := lastError(c.Watch(ctx, "1", &client.WatchOptions{Lost: func(error) { lost++ }}))
	// the waits between them are at least 0.5, 1, 2, 4, … ms
	if !errors.Is(err, context.DeadlineExceeded) || lost > 12 {
		t.Errorf("%v after %d connections", err, lost)
	}
}
