package clienttest

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// raw makes a document of its text.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

// TestLifecycle goes through all calls about one user, from the first save to the erasure.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	c, ctx, user := newClient(t, service), t.Context(), newUser(t)
	has := func(what string, s client.Settings, err error, version int64, document string) {
		t.Helper()
		if err != nil || s.User != user || s.Version != version || string(s.Document) != document {
			t.Fatalf("%s: %+v (%s), %v; want %s at %d", what, s, s.Document, err, document, version)
		}
	}
	s, err := c.Get(ctx, user)
	has("new", s, err, 0, "{}")
	if !s.Modified.IsZero() {
		t.Errorf("never saved and modified %v", s.Modified)
	}
	s, err = c.Put(ctx, user, raw(` {"theme":"dark"} `), client.IfAbsent())
	has("put", s, err, 1, ` {"theme":"dark"} `)
	if ago := time.Since(s.Modified); ago < -time.Second || ago > time.Hour || !strings.HasPrefix(s.ETag, `"1-`) {
		t.Errorf("modified %v, tag %s", s.Modified, s.ETag)
	}
	s, err = c.Get(ctx, user)
	has("get", s, err, 1, ` {"theme":"dark"} `)
	_, err = c.Get(ctx, user, client.IfNoneMatch(s.ETag))
	if !errors.Is(err, client.ErrNotModified) {
		t.Errorf("not modified: %v", err)
	}
	s, err = c.Patch(ctx, user, raw(`{"font":{"size":12},"theme":null}`), client.IfMatch(s.ETag))
	has("patch", s, err, 2, ` {"font":{"size":12}} `)
	patch := raw(`[{"op":"add","path":"/list","value":[1]}]`)
	s, err = c.PatchJSON(ctx, user, patch, client.IfMatch(`"7"`, s.ETag))
	has("JSON patch", s, err, 3, ` {"font":{"size":12},"list":[1]} `)

	v, err := c.Value(ctx, user, client.Path{"font", "size"})
	if err != nil || string(v.JSON) != "12" || v.Version != 3 {
		t.Errorf("value: %+v, %v", v, err)
	}
	v, err = c.SetValue(ctx, user, client.Path{"list", "-"}, raw(`"two"`))
	if err != nil || !v.Created || v.Path.String() != "/list/1" || v.Version != 4 ||
		string(v.JSON) != `"two"` {
		t.Errorf("appended: %+v, %v", v, err)
	}
	v, err = c.SetValue(ctx, user, client.Path{"list", "1"}, raw(`2`))
	if err != nil || v.Created || v.Path.String() != "/list/1" || v.Version != 5 {
		t.Errorf("set: %+v, %v", v, err)
	}
	v, err = c.DeleteValue(ctx, user, client.Path{"font"})
	if err != nil || v.Version != 6 || v.JSON != nil {
		t.Errorf("deleted value: %+v, %v", v, err)
	}
	s, err = c.At(ctx, user, 2)
	has("at", s, err, 2, ` {"font":{"size":12}} `)
	s, err = c.Restore(ctx, user, 2, client.IfMatch(v.ETag))
	has("restored", s, err, 7, ` {"font":{"size":12}} `)
	s, err = c.Delete(ctx, user)
	has("deleted", s, err, 8, "")
	s, err = c.Get(ctx, user)
	has("get deleted", s, err, 8, "{}")

	var operations []string
	for r, err := range c.History(ctx, user) {
		if err != nil || r.Version != int64(8-len(operations)) ||
			time.Since(r.Time) > time.Hour || (r.Size == 0) != (r.Version == 8) {
			t.Errorf("revision %+v, %v", r, err)
		}
		operations = append(operations, r.Action)
	}
	want := strings.Fields(
		"delete restore delete-value set-value set-value json-patch merge-patch replace",
	)
	if !reflect.DeepEqual(operations, want) {
		t.Errorf("history %q, want %q", operations, want)
	}
	s, err = c.Erase(ctx, user)
	has("erased", s, err, 9, "")
	for r, err := range c.History(ctx, user) {
		if err == nil && r.Action != "erase" {
			t.Errorf("after erasing: %+v, %v", r, err)
		}
	}
}

// TestSpecialCharacters: what is special in URLs is allowed in user ids and keys.
func TestSpecialCharacters(t *testing.T) {
	t.Parallel()
	c := newClient(t, service+"/") // the slash is ignored
	for _, name := range []string{
		".", "..", "a/b", "/", "%2F", "%", "a%zz", "日本", "a b", "a+b", "?", "#",
		"a?b=c#d", ";", "a;b", "~", "~1", `"`, `\`, "é", "&",
		"ann@example.org", "auth0|x", ":", "*",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := c.Put(t.Context(), name, raw(`{}`))
			first := s.Version // others than 1 when the test runs again
			if err != nil || s.User != name {
				t.Fatal(s, err)
			}
			path := client.Path{name, name}
			v, err := c.SetValue(t.Context(), name, path, raw(`1`))
			if err != nil || !v.Created || !reflect.DeepEqual(v.Path, path) {
				t.Fatalf("%+v, %v", v, err)
			}
			s, err = c.Get(t.Context(), name)
			quoted, _ := json.Marshal(name)
			var got map[string]map[string]int
			if err != nil || json.Unmarshal(s.Document, &got) != nil || got[name][name] != 1 {
				t.Errorf("%s, %v; want %s", s.Document, err, quoted)
			}
			if again, err := client.ParsePath(path.String()); err != nil ||
				!reflect.DeepEqual(again, path) {
				t.Errorf("%q became %q, %v", path.String(), again, err)
			}
			for r, err := range c.History(t.Context(), name) {
				if err != nil || r.Version > first+1 {
					t.Error(r, err)
				}
			}
			if v, err := c.DeleteValue(t.Context(), name, path); err != nil ||
				v.Version != first+2 {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
}

// TestLongHistory: a history of several pages is yielded in order, and a loop may be left.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	c, user := newClient(t, service), newUser(t)
	const writes = 230
	var operations []client.Operation
	for range writes {
		operations = append(operations, client.OpPut(user, raw(`{}`)))
	}
	if _, err := c.Batch(t.Context(), operations...); err != nil {
		t.Fatal(err)
	}
	want := int64(writes)
	for r, err := range c.History(t.Context(), user) {
		if err != nil || r.Version != want {
			t.Fatalf("%+v, %v, want %d", r, err, want)
		}
		want--
	}
	if want != 0 {
		t.Errorf("%d versions are missing", want)
	}
	for _, err := range c.History(t.Context(), user) {
		if err != nil {
			t.Error(err)
		}
		want++
		break
	}
	if want != 1 {
		t.Error("the loop went on")
	}
}

// TestUpdate: none of many concurrent updates is lost, of a new user and after a deletion.
func TestUpdate(t *testing.T) {
	t.Parallel()
	c := newClient(t, service)
	for name, before := range map[string]func(user string) int64{
		"new": func(string) int64 { return 0 },
		"deleted": func(user string) int64 {
			if _, err := c.Put(t.Context(), user, raw(`{"n":70}`)); err != nil {
				t.Error(err)
			}
			s, err := c.Delete(t.Context(), user)
			if err != nil {
				t.Error(err)
			}
			return s.Version
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const writers, each = 8, 5
			user := newUser(t)
			version := before(user)
			var all sync.WaitGroup
			for range writers {
				all.Go(func() {
					for range each {
						if _, err := c.Update(t.Context(), user, increment); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			s, err := c.Get(t.Context(), user)
			if err != nil || string(s.Document) != `{"n":40}` || s.Version != version+writers*each {
				t.Errorf("%s at %d, %v", s.Document, s.Version, err)
			}
		})
	}
}

func increment(old json.RawMessage) (json.RawMessage, error) {
	var document struct {
		N int `json:"n"`
	}
	if err := json.Unmarshal(old, &document); err != nil {
		return nil, err
	}
	document.N++
	return json.Marshal(document)
}

// TestUpdateLeavesAlone: the function may decline to write by nil or by an error.
func TestUpdateLeavesAlone(t *testing.T) {
	t.Parallel()
	c, user := newClient(t, service), newUser(t)
	if _, err := c.Put(t.Context(), user, raw(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Update(t.Context(), user, func(json.RawMessage) (json.RawMessage, error) {
		return nil, nil
	})
	if err != nil || s.Version != 1 || string(s.Document) != `{"a":1}` {
		t.Errorf("%+v, %v", s, err)
	}
	no := errors.New("no")
	_, err = c.Update(t.Context(), user, func(json.RawMessage) (json.RawMessage, error) {
		return nil, no
	})
	if !errors.Is(err, no) {
		t.Error(err)
	}
	_, err = c.Update(t.Context(), user, func(json.RawMessage) (json.RawMessage, error) {
		return raw(`[]`), nil
	})
	if !errors.Is(err, client.ErrInvalid) {
		t.Error(err)
	}
	if s, err := c.Get(t.Context(), user); err != nil || s.Version != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
