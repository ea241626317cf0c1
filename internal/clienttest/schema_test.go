package clienttest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

const themes = `{"type":"object", "properties":{
	"theme":{"enum":["dark","light"],"default":"dark"},
	"font":{"properties":{"size":{"type":"integer","default":12}},"default":{}}}}`

// TestSchema goes through all calls about the schema, from the check to the deletion.
func TestSchema(t *testing.T) {
	t.Parallel()
	c, ctx := newClient(t, newSystem(t).base), t.Context()
	if _, err := c.Schema(ctx); !errors.Is(err, client.ErrNotFound) {
		t.Error(err)
	}
	for user, document := range map[string]string{
		"good": `{"theme":"light"}`, "bad": `{"theme":"pink","font":{"size":"big"}}`,
	} {
		if _, err := c.Put(ctx, user, raw(document)); err != nil {
			t.Fatal(err)
		}
	}
	found, err := c.CheckSchema(ctx, raw(themes))
	if err != nil || found.Checked != 2 || found.Broken != 1 || len(found.Examples) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	if e := found.Examples[0]; e.User != "bad" || e.Version != 1 || len(e.Violations) != 2 ||
		e.Violations[0].Reason == "" {
		t.Errorf("%+v", e)
	}
	if _, err := c.Schema(ctx); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("it was set: %v", err)
	}
	set, err := c.PutSchema(ctx, raw(themes), client.IfAbsent(), client.IdempotencyKey("once"))
	if err != nil || set.Version != 1 || string(set.JSON) != themes ||
		time.Since(set.Modified) > time.Hour {
		t.Errorf("%+v, %v", set, err)
	}
	if again, err := c.PutSchema(ctx, raw(themes), client.IfAbsent(),
		client.IdempotencyKey("once")); err != nil || !again.Replayed || again.Version != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	_, err = c.PutSchema(ctx, raw(`{}`), client.IfMatch(`"1"`))
	if !errors.Is(err, client.ErrPrecondition) {
		t.Error(err)
	}
	for _, bad := range []string{
		`{"type":"colour"}`, `{"$ref":"https://example.org/other.json"}`,
		`{"$schema":"http://json-schema.org/draft-04/schema#"}`,
	} {
		if _, err := c.PutSchema(ctx, raw(bad)); !errors.Is(err, client.ErrInvalidSchema) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	got, err := c.Schema(ctx)
	if err != nil || got.Version != 1 || string(got.JSON) != themes {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.Schema(ctx, client.IfNoneMatch(got.ETag)); !errors.Is(err, client.ErrNotModified) {
		t.Error(err)
	}
	wantViolation(t, failed(c.Put(ctx, "good", raw(`{"theme":"pink"}`))), "/theme")
	size := client.Path{"font", "size"}
	wantViolation(t, failed(c.SetValue(ctx, "good", size, raw(`"big"`))), "/font/size")
	wantViolation(t, failed(c.Patch(ctx, "good", raw(`{"font":{"size":1.5}}`))), "/font/size")

	effective, err := c.GetEffective(ctx, "good")
	if err != nil || string(effective.Document) != `{"theme":"light","font":{"size":12}}` ||
		effective.Version != 1 || effective.Schema != 1 || strings.Count(effective.ETag, "-") != 3 {
		t.Errorf("%+v (%s), %v", effective, effective.Document, err)
	}
	options := append(make([]client.ReadOption, 0, 2), client.IfNoneMatch(effective.ETag))
	if _, err := c.GetEffective(ctx, "good", options...); !errors.Is(err, client.ErrNotModified) ||
		options[:2][1] != nil {
		t.Errorf("%v, or the caller's slice was written to", err)
	}
	if results, err := c.Batch(ctx, client.OpGetEffective("good")); err != nil ||
		results[0].ETag != effective.ETag {
		t.Errorf("%+v, %v", results, err)
	}
	if s, err := c.GetEffective(ctx, "nobody"); err != nil || s.Version != 0 ||
		string(s.Document) != `{"theme":"dark","font":{"size":12}}` {
		t.Errorf("%+v (%s), %v", s, s.Document, err)
	}
	if deleted, err := c.DeleteSchema(ctx, client.IfMatch(got.ETag)); err != nil ||
		deleted.Version != 2 || deleted.JSON != nil {
		t.Errorf("%+v, %v", deleted, err)
	}
	if _, err := c.Schema(ctx); !errors.Is(err, client.ErrNotFound) {
		t.Error(err)
	}
	if _, err := c.Put(ctx, "good", raw(`{"theme":"pink"}`)); err != nil {
		t.Error(err)
	}
}

// wantViolation checks that a write was refused for one violation.
func wantViolation(t *testing.T, err error, pointer string) {
	t.Helper()
	var e *client.Error
	if !errors.Is(err, client.ErrViolation) || !errors.As(err, &e) || e.Status != 422 {
		t.Fatal(err)
	}
	if len(e.Violations) != 1 || e.Violations[0].Pointer != pointer ||
		e.Violations[0].Reason == "" || e.ViolationsOmitted {
		t.Errorf("%+v", e)
	}
}
