package worker

import (
	"bytes"
	"errors"
	"time"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// What the answer to a schema on trial tells of those who break it: enough to see what is wrong.
const (
	maxExamples          = 10
	violationsPerExample = 3
)

// maxTrial is how long documents are held to a schema on trial in one go: half a page of 500 small
// ones takes 5 ms.
const maxTrial = 50 * time.Millisecond

// trial is a schema on trial.
type trial struct {
	text     []byte
	compiled *schema.Schema
}

// trialOf compiles a schema on trial, or finds the one that was tried last: a trial has many parts.
func (w *Worker) trialOf(text []byte) (*schema.Schema, error) {
	if last := w.tried.Load(); last != nil && bytes.Equal(last.text, text) {
		return last.compiled, nil
	}
	compiled, err := schema.Compile(text, w.limits)
	if err == nil {
		w.tried.Store(&trial{text, compiled})
	}
	return compiled, err
}

// effective is the document laid over the schema's defaults.
func (w *Worker) effective(o *messages.Operation, f *store.Found) messages.Result {
	document, err := f.Schema.Effective(f.Bytes, messages.MaxDocument)
	if err != nil {
		return w.failure(o, err)
	}
	r := stateOf(&f.Document)
	r.Document, r.Schema = document, f.Schema.Version
	r.Modified = max(r.Modified, millis(f.Schema.Modified))
	return r
}

// try tells how many of the documents break a schema that isn't in use, with examples. It takes no
// longer than maxTrial and the document at hand: other reads wait for it. The rest is for the next
// part.
func try(compiled *schema.Schema, l *store.Listed) messages.Result {
	r := messages.Result{Next: l.Next}
	enough := time.Now().Add(maxTrial)
	for _, u := range l.Users {
		if r.Checked > 0 && time.Now().After(enough) {
			break
		}
		r.Checked++
		if err := compiled.Check(u.Bytes); err != nil {
			r.Broken++
			if len(r.Users) < maxExamples {
				r.Users = append(r.Users, exampleOf(u, err))
			}
		}
		r.Next = u.ID
	}
	if r.Checked == int64(len(l.Users)) {
		r.Next = l.Next
	}
	return r
}

// exampleOf shows a document that breaks the schema, or can't be held to any: SQL may have put what
// we wouldn't take.
func exampleOf(u store.User, err error) messages.User {
	violations, _ := violationsOf(err)
	if len(violations) == 0 {
		violations = []messages.Violation{{Reason: messages.Detail(err.Error())}}
	}
	return messages.User{
		ID: u.ID, Version: u.Version, Modified: millis(u.Modified),
		Violations: violations[:min(len(violations), violationsPerExample)],
	}
}

// violationsOf returns what an error has of them, if it is about any.
func violationsOf(err error) (violations []messages.Violation, more bool) {
	var e *schema.ViolationError
	if !errors.As(err, &e) {
		return nil, false
	}
	for _, v := range e.Violations {
		violations = append(violations, messages.Violation{Pointer: v.Pointer, Reason: v.Reason})
	}
	return violations, e.More
}
