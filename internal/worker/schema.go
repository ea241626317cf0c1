package worker

import (
	"errors"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// What the answer to a schema on trial tells of those who break it: enough to see what is wrong.
const (
	maxExamples          = 10
	violationsPerExample = 3
)

// effective is the document laid over the schema's defaults.
func (w *Worker) effective(o *messages.Operation, f *store.Found) messages.Result {
	document, err := effectiveOf(f)
	if err != nil {
		return w.failure(o, err)
	}
	r := stateOf(&f.Document)
	r.Document, r.Schema = document, f.Schema.Version
	r.Modified = max(r.Modified, millis(f.Schema.Modified))
	return r
}

// effectiveOf doesn't panic.
func effectiveOf(f *store.Found) (document []byte, err error) {
	defer survive(&err)
	return f.Schema.Effective(f.Bytes, messages.MaxDocument)
}

// try tells how many of the documents break a schema that isn't in use, with examples.
func (w *Worker) try(o *messages.Operation, schema *settings.Schema, l *store.Listed) messages.Result {
	r := messages.Result{Checked: int64(len(l.Users)), Next: l.Next}
	for _, u := range l.Users {
		err := broken(schema, u.Bytes)
		if err == nil {
			continue
		}
		if !errors.Is(err, settings.ErrViolation) {
			return w.failure(o, err)
		}
		if r.Broken++; len(r.Users) < maxExamples {
			violations, _ := violationsOf(err)
			r.Users = append(r.Users, messages.User{
				ID: u.ID, Version: u.Version, Modified: millis(u.Modified),
				Violations: violations[:min(len(violations), violationsPerExample)],
			})
		}
	}
	return r
}

// broken doesn't panic.
func broken(schema *settings.Schema, document []byte) (err error) {
	defer survive(&err)
	return schema.Check(document)
}

// violationsOf returns what an error has of them, if it is about any.
func violationsOf(err error) (violations []messages.Violation, more bool) {
	var e *settings.ViolationError
	if !errors.As(err, &e) {
		return nil, false
	}
	for _, v := range e.Violations {
		violations = append(violations, messages.Violation{Pointer: v.Pointer, Reason: v.Reason})
	}
	return violations, e.More
}
