package worker

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/outset-settings/outset/internal/compute"
	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// How many documents that break a schema on trial the answer shows, and how many violations of
// each.
const (
	maxExamples          = 10
	violationsPerExample = 3
)

// maxTrial is how long one operation may check documents against a schema on trial. 250 small ones
// take 5 ms.
const maxTrial = 50 * time.Millisecond

// trial is a schema on trial: compiled, but not in use.
type trial struct {
	text     []byte
	compiled *schema.Schema
}

// newSchemas returns the queue of schemas that are to be compiled, one at a time: that may take
// long, and other operations must not wait for it.
func (w *Worker) newSchemas(ctx context.Context) *batcher {
	return w.newBatcher(ctx, "schema", w.options(), w.compile)
}

// compile compiles the schemas of works.
func (w *Worker) compile(_ context.Context, f *flight) {
	for i, work := range f.Calls {
		if work.Action == messages.ActionPutSchema {
			work.settled = w.prepare(work)
		} else {
			work.settled = w.prepareTrial(work)
		}
		work.compiling, work.took = work.took, 0
		f.Answer(i, work.compiling)
	}
}

// goOn has a work done whose schema was compiled, unless that has given the result.
func (e *endpoint) goOn(w *work, took time.Duration, err error) {
	if err == nil && !w.settled {
		e.batcher.Go([]*work{w}, finish)
	} else {
		finish(w, took, err)
	}
	w.task.answer() // if it has its result, or was refused
}

// prepareTrial compiles a schema on trial. It returns true if the work has its result by then.
func (w *Worker) prepareTrial(work *work) (settled bool) {
	var err error
	compute.Long(func() {
		began := time.Now()
		work.trial, err = w.compileTrial(work.Document)
		work.took = time.Since(began)
	})
	if err != nil {
		work.result = w.failure(work.Operation, err)
	}
	return err != nil
}

// compileTrial returns a compiled schema. It keeps the last one, since a trial has many parts.
func (w *Worker) compileTrial(text []byte) (*schema.Schema, error) {
	if last := w.lastTrial.Load(); last != nil && bytes.Equal(last.text, text) {
		return last.compiled, nil
	}
	compiled, err := schema.Compile(text, w.limits)
	if err == nil {
		w.lastTrial.Store(&trial{text, compiled})
	}
	return compiled, err
}

// effective is the result of [messages.ActionReadEffective].
func (w *Worker) effective(o *messages.Operation, f *store.Found) messages.Result {
	document, err := f.Schema.Effective(f.Bytes, messages.MaxDocument)
	if err != nil {
		return w.failure(o, err)
	}
	r := stateOf(&f.Document)
	r.Document = document
	r.Schema, r.SchemaModified = f.Schema.Version, micros(f.Schema.Modified)
	return r
}

// wrong returns why a document can't replace another, or nil if it can.
func (w *Worker) wrong(document []byte, s *store.Schema) error {
	if err := w.check(document); err != nil {
		return err
	}
	return s.Check(document)
}

// try counts the documents that break a schema on trial, with examples. It begins no further
// document after maxTrial, since other reads wait for it, and leaves the rest to the next part.
func (w *Worker) try(compiled *schema.Schema, l *store.Listed) messages.Result {
	r := messages.Result{Next: l.Next}
	enough := time.Now().Add(w.maxTrial)
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

// exampleOf is a user whose document breaks the schema, or can't be checked at all: somebody may
// have put it there by SQL.
func exampleOf(u store.User, err error) messages.User {
	violations, _ := violationsOf(err)
	if len(violations) == 0 {
		violations = []messages.Violation{{Reason: messages.Detail(err.Error())}}
	}
	return messages.User{
		ID: u.ID, Version: u.Version, Modified: micros(u.Modified),
		Violations: violations[:min(len(violations), violationsPerExample)],
	}
}

// violationsOf returns the violations that an error has, if any, and whether there are more.
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
