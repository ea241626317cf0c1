package clienttest

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/outset-settings/outset/client"
)

// TestBatch: each operation does what the method of its name does.
func TestBatch(t *testing.T) {
	t.Parallel()
	c, one, two, odd := newClient(t, service), newUser(t), newUser(t), newUser(t)+"/../日本?"
	size := client.Path{"font", "size"}
	put := client.OpPut(one, raw(`{"a" : 1.0}`), client.IfAbsent())
	operations := []client.Operation{
		put,
		client.OpPatch(one, raw(`{"b":"<>&"}`), client.IfMatch("*")),
		client.OpGet(one),
		client.OpSetValue(two, size, raw(`12`)),
		client.OpValue(two, size),
		client.OpPut(one, raw(`{`)),
		client.OpPut(one, raw(`[]`)),
		client.OpPut(one, raw(`{}`), client.IfMatch(`"1"`)),
		client.OpGet(""),
		client.OpValue(one, client.Path{"nothing"}),
		client.OpPatchJSON(one, raw(`[{"op":"remove","path":"/b"}]`)),
		client.OpGet(one, client.IfNoneMatch("*")),
		client.OpDeleteValue(two, size),
		client.OpDelete(one),
		client.OpRestore(one, 1),
		client.OpAt(one, 2),
		client.OpPut(odd, raw(`{}`)),
		client.OpErase(two),
		put,
	}
	results, err := c.Batch(t.Context(), operations...)
	if err != nil || len(results) != len(operations) {
		t.Fatal(len(results), err)
	}
	type want struct {
		user     string
		version  int64
		document string
		created  bool
		replayed bool
		err      error
	}
	for i, w := range []want{
		{one, 1, `{"a" : 1.0}`, false, false, nil},
		{one, 2, `{"a" : 1.0,"b" : "<>&"}`, false, false, nil},
		{one, 2, `{"a" : 1.0,"b" : "<>&"}`, false, false, nil},
		{two, 1, `12`, true, false, nil},
		{two, 1, `12`, false, false, nil},
		{one, 0, ``, false, false, client.ErrMalformed},
		{one, 0, ``, false, false, client.ErrInvalid},
		{one, 0, ``, false, false, client.ErrPrecondition},
		{"", 0, ``, false, false, client.ErrMalformed},
		{one, 0, ``, false, false, client.ErrNotFound},
		{one, 3, `{"a" : 1.0}`, false, false, nil},
		{one, 0, ``, false, false, client.ErrNotModified},
		{two, 2, ``, false, false, nil},
		{one, 4, ``, false, false, nil},
		{one, 5, `{"a" : 1.0}`, false, false, nil},
		{one, 2, `{"a" : 1.0,"b" : "<>&"}`, false, false, nil},
		{odd, 1, `{}`, false, false, nil},
		{two, 3, ``, false, false, nil},
		{one, 1, `{"a" : 1.0}`, false, true, nil},
	} {
		r := results[i]
		got := want{r.User, r.Version, string(r.Document), r.Created, r.Replayed, w.err}
		if !errors.Is(r.Err, w.err) || got != w {
			t.Errorf("%d: %+v, %v; want %+v", i, got, r.Err, w)
		}
	}
	var e *client.Error
	if !errors.As(results[7].Err, &e) || e.Status != http.StatusPreconditionFailed ||
		e.Version != 2 || string(e.Settings) != `{"a" : 1.0,"b" : "<>&"}` || e.RequestID == "" {
		t.Errorf("%+v", e)
	}
}

// TestLargeBatch: it takes several requests, and the operations of a user are done in their order.
func TestLargeBatch(t *testing.T) {
	t.Parallel()
	c := newClient(t, service)
	user := [3]string{newUser(t), newUser(t), newUser(t)}
	var operations []client.Operation
	for i := range 250 {
		operations = append(operations, client.OpPut(user[i%3], raw(fmt.Sprintf(`{"n":%d}`, i))))
	}
	results, err := c.Batch(t.Context(), operations...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil || r.User != user[i%3] || r.Version != int64(i/3+1) ||
			string(r.Document) != fmt.Sprintf(`{"n":%d}`, i) {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if results, err := c.Batch(t.Context()); err != nil || len(results) != 0 {
		t.Errorf("nothing to do: %v, %v", results, err)
	}
	if results, err := c.Batch(t.Context(), client.OpGet("")); err != nil ||
		!errors.Is(results[0].Err, client.ErrMalformed) {
		t.Errorf("nothing that can be asked: %v, %v", results, err)
	}
}

// TestBatchRetry: a request whose answer is lost is sent again, and applied once.
func TestBatchRetry(t *testing.T) {
	t.Parallel()
	base, requests := startProxy(t, 2, loseAnswer)
	c, user := newClient(t, base, quick), newUser(t)
	results, err := c.Batch(t.Context(),
		client.OpPut(user, raw(`{}`)), client.OpSetValue(user, client.Path{"a"}, raw(`1`)))
	if err != nil || requests.Load() != 3 || results[0].Version != 1 || !results[0].Replayed ||
		results[1].Version != 2 || !results[1].Replayed {
		t.Errorf("%+v, %v after %d requests", results, err, requests.Load())
	}
}

// TestBatchGivenUp: the outcome of operations without an answer is unknown, and later ones are not
// sent.
func TestBatchGivenUp(t *testing.T) {
	t.Parallel()
	base, requests := startProxy(t, 1000, cut)
	c := newClient(t, base, quick)
	operations := make([]client.Operation, 150)
	for i := range operations {
		operations[i] = client.OpPut("1", raw(`{}`))
	}
	operations[3] = client.OpPut("1", raw(`{`))
	results, err := c.Batch(t.Context(), operations...)
	wantKind(t, err, client.ErrOutcomeUnknown)
	wantKind(t, results[0].Err, client.ErrOutcomeUnknown)
	wantKind(t, results[99].Err, client.ErrOutcomeUnknown)
	wantKind(t, results[100].Err, client.ErrUnavailable)
	if !errors.Is(results[3].Err, client.ErrMalformed) || requests.Load() != 5 {
		t.Errorf("%v after %d requests", results[3].Err, requests.Load())
	}
	_, err = c.Batch(t.Context(), client.OpGet("1"))
	wantKind(t, err, client.ErrUnavailable)
	few := answerWith(t, `{"results":[]}`, false)
	if results, err := few.Batch(t.Context(), client.OpGet("1")); !errors.Is(err,
		client.ErrIncomplete) || !errors.Is(results[0].Err, client.ErrIncomplete) {
		t.Errorf("%+v, %v", results, err)
	}
}
