package worker

import (
	"context"
	"errors"
	"slices"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// readResult is the result of an operation that reads.
func (w *Worker) readResult(o *messages.Operation, f *store.Found) messages.Result {
	if f.Err != nil {
		return w.failure(o, f.Err)
	}
	r := stateOf(&f.Document)
	switch o.Action {
	case messages.ActionHistory:
		return messages.Result{Entries: entriesOf(userOf(o), f.Entries)}
	case messages.ActionListTokens:
		return messages.Result{Tokens: tokensOf(f.Tokens)}
	case messages.ActionListUsers:
		return messages.Result{Users: usersOf(f.Listed.Users), Next: f.Listed.Next}
	case messages.ActionFollow:
		return followed(f.Followed)
	case messages.ActionReadNumber: // the state is all
	case messages.ActionReadEffective:
		return w.effective(o, f)
	case messages.ActionTry:
		if err := w.wrong(o.Document, f.Schema); err != nil {
			return w.failure(o, err)
		}
	case messages.ActionReadSchema:
		if f.Absent {
			return messages.Result{
				Kind: messages.KindNotFound, Detail: "there is no schema", Version: f.Version,
			}
		}
		r.Document = f.Bytes
	case messages.ActionReadValue:
		value, err := valueOf(f.Bytes, o.Path)
		if err != nil {
			return w.failure(o, err)
		}
		r.Document = value
	default:
		r.Document = f.Bytes
	}
	return r
}

// valueOf is [settings.Value] that doesn't panic.
func valueOf(document []byte, path []string) (value []byte, err error) {
	defer settings.Survive(&err)
	return settings.Value(document, path)
}

func usersOf(listed []store.User) []messages.User {
	users := make([]messages.User, len(listed))
	for i, u := range listed {
		users[i] = messages.User{
			ID: u.ID, Version: u.Version, Modified: micros(u.Modified), Document: u.Bytes,
			Absent: u.Absent, Erased: u.Erased, Transaction: u.Transaction,
		}
	}
	return users
}

func followed(f *store.Followed) messages.Result {
	r := messages.Result{
		Users: usersOf(f.Users), More: f.More, Behind: f.Behind, Reset: f.Reset,
	}
	if !f.Reset {
		r.Position = (*messages.Position)(&f.Next)
	}
	return r
}

func entriesOf(user string, found []store.Entry) []messages.Entry {
	entries := make([]messages.Entry, len(found))
	for i, e := range found {
		entries[i] = messages.Entry{
			Version: e.Version, Time: micros(e.Time), Action: e.Operation, Size: e.Size,
			Actor: actorFor(user, e.Actor), Dropped: e.Dropped, Restored: e.Restored,
		}
	}
	return entries
}

// writeResult is the result of an operation that writes. It has the document where the sender can't
// know it.
func (w *Worker) writeResult(o *messages.Operation, s *store.Written) messages.Result {
	if errors.Is(s.Err, settings.ErrPrecondition) {
		r := stateOf(&s.Document)
		r.Kind, r.Detail = messages.KindPrecondition, messages.Detail(s.Err.Error())
		r.Fenced = s.Fenced
		if !o.Quiet {
			r.Document = s.Bytes
		}
		return r
	}
	if s.Err != nil {
		r := w.failure(o, s.Err)
		r.Fenced = s.Fenced
		return r
	}
	r := stateOf(&s.Document)
	r.Created, r.Replayed = s.Created, s.Replayed
	switch o.Action {
	case messages.ActionMergePatch, messages.ActionJSONPatch, messages.ActionRestore:
		if !o.Quiet {
			r.Document = s.Bytes
		}
	case messages.ActionSetValue:
		if slices.Contains(o.Path, "-") && !s.Dropped {
			r.Path = settings.Placed(s.Bytes, o.Path)
		}
	}
	return r
}

// stateOf is a result with all that it says of a document but the bytes.
func stateOf(d *store.Document) messages.Result {
	return messages.Result{Version: d.Version, Modified: micros(d.Modified), Absent: d.Absent}
}

// kindOf is the one place where errors of the domain and the store become kinds.
func kindOf(err error) messages.Kind {
	switch {
	case errors.Is(err, settings.ErrMalformed):
		return messages.KindMalformed
	case errors.Is(err, settings.ErrInvalid):
		return messages.KindInvalid
	case errors.Is(err, settings.ErrTooLarge):
		return messages.KindTooLarge
	case errors.Is(err, settings.ErrNotFound):
		return messages.KindNotFound
	case errors.Is(err, settings.ErrNotApplicable):
		return messages.KindNotApplicable
	case errors.Is(err, settings.ErrPrecondition):
		return messages.KindPrecondition
	case errors.Is(err, settings.ErrViolation):
		return messages.KindViolation
	case errors.Is(err, settings.ErrSchema):
		return messages.KindInvalidSchema
	case errors.Is(err, store.ErrNoToken):
		return messages.KindNotFound
	case errors.Is(err, store.ErrTooManyTokens):
		return messages.KindTooManyTokens
	case errors.Is(err, store.ErrIDReused):
		return messages.KindIDReused
	case errors.Is(err, store.ErrExpired):
		return messages.KindExpired
	case errors.Is(err, store.ErrOutcomeUnknown): // before Unavailable: it may wrap both
		return messages.KindOutcomeUnknown
	case errors.Is(err, store.ErrUnavailable):
		return messages.KindUnavailable
	default:
		return messages.KindInternal
	}
}

// ranOut tells whether a batch had no time left for an operation, which surely was not done.
func ranOut(err error) bool {
	return kindOf(err) == messages.KindUnavailable && errors.Is(err, context.DeadlineExceeded)
}

// failure is the result of an operation that failed. The text of a fault of the service stays in
// the log: it may have what the sender must not know.
func (w *Worker) failure(o *messages.Operation, err error) messages.Result {
	r := messages.Result{Kind: kindOf(err)}
	if !r.Kind.ServiceFault() {
		r.Detail = messages.Detail(err.Error())
		r.Violations, r.MoreViolations = violationsOf(err)
		return r
	}
	if r.Kind == messages.KindUnavailable && errors.Is(err, store.ErrBusy) {
		r.Busy = true // the sender waits and retries; nothing for the log
		return r
	}
	switch {
	case r.Kind == messages.KindUnavailable && store.Unreachable(err):
		// The sender waits for it, or for a worker that reaches it.
		r.Busy, r.Detail = true, "the database can't be reached"
	case ranOut(err): // the sender may ask another worker, once
		r.Kind, r.Detail = messages.KindOverloaded, "the database took too long"
	}
	w.failures.Do(func() {
		w.logOf(o).Error("operation failed", "kind", r.Kind, "error", err)
	})
	return r
}
