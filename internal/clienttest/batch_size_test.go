package clienttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// TestBatchOfMalformed: an operation that would make the whole request unreadable fails alone.
func TestBatchOfMalformed(t *testing.T) {
	t.Parallel()
	c, user := newClient(t, service), newUser(t)
	for name, bad := range map[string]client.Operation{
		"no operation":    {},
		"a line break":    client.OpPut(user, raw(`{}`), client.IdempotencyKey("a\nb")),
		"no ASCII":        client.OpPut(user, raw(`{}`), client.IdempotencyKey("é")),
		"no ASCII tag":    client.OpGet(user, client.IfNoneMatch(`"é"`)),
		"no JSON":         client.OpPut(user, raw(`{} {}`)),
		"far too deep":    client.OpPut(user, nested(9999)),
		"too deep":        client.OpPut(user, nested(9900)),
		"no UTF-8":        client.OpPut(user, raw("{\"a\":\"\xff\"}")),
		"a control in id": client.OpPut("a\nb", raw(`{}`)),
		"too large":       client.OpPut(user, sized(1<<20)),
		"far too large":   client.OpPut(user, sized(8<<20)),
	} {
		results, err := c.Batch(t.Context(), client.OpGet(user), bad, client.OpGet(user))
		if err != nil || results[0].Err != nil || results[2].Err != nil {
			t.Fatalf("%s: %v, %v", name, err, results[0].Err)
		}
		large := strings.HasSuffix(name, "too large")
		if err := results[1].Err; errors.Is(err, client.ErrMalformed) == large ||
			errors.Is(err, client.ErrTooLarge) != large && !isStatus(err, 413) {
			t.Errorf("%s: %.200v", name, err)
		}
	}
}

// sized returns a document with a value of so many bytes.
func sized(bytes int) json.RawMessage { return raw(`{"a":"` + strings.Repeat("x", bytes) + `"}`) }

// nested returns an array in an array, so many levels deep.
func nested(depth int) json.RawMessage {
	return raw(strings.Repeat("[", depth) + strings.Repeat("]", depth))
}

func isStatus(err error, status int) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Status == status
}

// TestBatchOfLarge: operations that are too large for one request take several.
func TestBatchOfLarge(t *testing.T) {
	t.Parallel()
	base, requests := startProxy(t, 0, nil)
	c, user := newClient(t, base, client.WithTimeout(time.Hour)), newUser(t)
	var operations []client.Operation
	for range 100 {
		operations = append(operations, client.OpPut(user, sized(65_000)))
	}
	operations[1] = client.OpPut(user, sized(700_000))
	results, err := c.Batch(t.Context(), operations...)
	if err != nil || requests.Load() != 2 {
		t.Fatal(err, requests.Load())
	}
	for i, r := range results {
		if errors.Is(r.Err, client.ErrTooLarge) != (i == 1) || i != 1 && r.Err != nil {
			t.Errorf("%d: %v", i, r.Err)
		}
	}
}

// TestBatchHalved: a request that is refused for its size is sent in parts, down to the one
// operation that is too large.
func TestBatchHalved(t *testing.T) {
	t.Parallel()
	requests := 0
	base := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var batch struct{ Operations []json.RawMessage }
		body, _ := io.ReadAll(r.Body)
		requests++
		if len(body) > 10_000 || json.Unmarshal(body, &batch) != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		results := strings.Repeat(`,{"status":200}`, len(batch.Operations))
		fmt.Fprintf(w, `{"results":[%s]}`, strings.TrimPrefix(results, ","))
	}))
	operations := make([]client.Operation, 250)
	for i := range operations {
		operations[i] = client.OpPut("1", raw(`{}`))
	}
	operations[42] = client.OpPut("1", sized(20_000))
	results, err := newClient(t, base).Batch(t.Context(), operations...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if (r.Err != nil) != (i == 42) || i == 42 && !isStatus(r.Err, 413) {
			t.Errorf("%d: %v", i, r.Err)
		}
	}
	if requests > 40 {
		t.Errorf("%d requests", requests)
	}
}
