package client_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/outset-settings/outset/client"
)

// TestUpdate: none of many updates at once is lost, wherever they begin.
func TestUpdate(t *testing.T) {
	t.Parallel()
	c := to(t, service)
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
			user := someone(t)
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

// TestUpdateNot: the function may leave things as they are.
func TestUpdateNot(t *testing.T) {
	t.Parallel()
	c, user := to(t, service), someone(t)
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
	if _, err := c.Update(t.Context(), user, func(json.RawMessage) (json.RawMessage,
		error,
	) {
		return nil, no
	}); !errors.Is(err, no) {
		t.Error(err)
	}
	if _, err := c.Update(t.Context(), user, func(json.RawMessage) (json.RawMessage, error) { return raw(`[]`), nil }); !errors.Is(err, client.ErrInvalid) {
		t.Error(err)
	}
	if s, err := c.Get(t.Context(), user); err != nil || s.Version != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
