package worker

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/outset-settings/outset/internal/compute"
	"github.com/outset-settings/outset/internal/failpoint"
	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// userOf is whose document in the store an operation is about.
func userOf(o *messages.Operation) string {
	if o.Action.Scope() == messages.ScopeSchema {
		return store.SchemaUser
	}
	return o.User
}

// readOf returns what the store is to do for an operation that reads.
func readOf(o *messages.Operation) store.Read {
	r := store.Read{User: userOf(o)}
	switch o.Action {
	case messages.ActionListTokens:
		r.Tokens = true
	case messages.ActionReadVersion:
		r.Version = o.Version
	case messages.ActionHistory:
		r.History = &store.Page{Below: o.Version, Limit: o.Limit}
	case messages.ActionReadNumber:
		r.Number = true
	case messages.ActionReadEffective, messages.ActionTry:
		r.Schema = true
	case messages.ActionListUsers:
		r.List = listOf(o.List, o.List.Documents)
	case messages.ActionTrySchema:
		r.List = listOf(o.List, true)
	case messages.ActionFollow:
		r.Follow = followOf(o.Follow)
	}
	return r
}

func listOf(l *messages.Listing, whole bool) *store.List {
	list := &store.List{After: l.After, Limit: l.Limit, Whole: whole, Bytes: messages.MaxListing}
	if l.Since != 0 {
		list.Since = time.UnixMicro(l.Since)
	}
	return list
}

func followOf(f *messages.Following) *store.Follow {
	follow := &store.Follow{
		Now: f.Now, Limit: f.Limit, Whole: f.Documents, Bytes: messages.MaxListing,
	}
	if f.After != nil {
		follow.After = store.Position(*f.After)
	}
	return follow
}

// writeOf returns what the store is to do for an operation that writes. It fails if the operation
// can't be applied to any document.
func (w *Worker) writeOf(o *messages.Operation) (store.Write, error) {
	s := store.Write{
		User: userOf(o), ID: idOf(o), Keyed: o.Keyed, Again: o.Again, Fingerprint: o.Fingerprint,
		Operation: o.Action.String(), Actor: actorOf(o),
		Deadline: timeOf(o.Deadline), If: conditionOf(o.If),
	}
	if o.Issued != 0 {
		s.Issued = time.UnixMicro(o.Issued)
	}
	if s.Fingerprint == nil {
		s.Fingerprint = []byte{} // none is a fingerprint like any other, and never SQL's null
	}
	if o.Action == messages.ActionSetValue || o.Action == messages.ActionDeleteValue {
		s.Path = o.Path
	}
	var err error
	switch o.Action {
	case messages.ActionRestore:
		s.Restore = o.Version
	case messages.ActionErase:
		s.Erase = true
	case messages.ActionPutSchema:
		s.Change, err = w.putSchema(o.Document)
	case messages.ActionDeleteSchema:
		s.Change = settings.Delete
	case messages.ActionReplace:
		s.Replace, err = o.Document, w.check(o.Document)
	default:
		s.Change, err = w.changeOf(o)
	}
	return s, err
}

// changeOf returns what an operation does to a document. Neither it nor the change panics: the
// sender would retry, and one request would end one worker after another.
func (w *Worker) changeOf(o *messages.Operation) (change settings.Change, err error) {
	defer settings.Survive(&err)
	unguarded, err := w.unguardedChange(o)
	if err != nil {
		return nil, err
	}
	return func(current []byte) (next settings.Next, err error) {
		defer settings.Survive(&err)
		compute.AtOnce(len(current)+len(o.Document), func() { next, err = unguarded(current) })
		return next, err
	}, nil
}

// check returns what is wrong with a document that is to replace another. It doesn't panic either.
func (w *Worker) check(document []byte) (err error) {
	defer settings.Survive(&err)
	return w.limits.Check(document)
}

func (w *Worker) putSchema(text []byte) (settings.Change, error) {
	if _, err := schema.Compile(text, w.limits); err != nil {
		return nil, err
	}
	return func([]byte) (settings.Next, error) { return settings.Next{Document: text}, nil }, nil
}

func (w *Worker) unguardedChange(o *messages.Operation) (settings.Change, error) {
	switch o.Action {
	case messages.ActionMergePatch:
		return w.limits.MergePatch(o.Document)
	case messages.ActionJSONPatch:
		return w.limits.JSONPatch(o.Document)
	case messages.ActionDelete:
		return settings.Delete, nil
	case messages.ActionSetValue:
		return w.limits.SetValue(o.Path, o.Document)
	case messages.ActionDeleteValue:
		return settings.DeleteValue(o.Path), nil
	default:
		return nil, fmt.Errorf("action %s is known and not implemented", o.Action)
	}
}

func conditionOf(c *messages.Condition) *settings.Condition {
	if c == nil {
		return nil
	}
	s := &settings.Condition{Match: versionsOf(c.Match), NoneMatch: versionsOf(c.NoneMatch)}
	if c.UnmodifiedSince != 0 {
		s.UnmodifiedSince = time.Unix(c.UnmodifiedSince, 0)
	}
	return s
}

func versionsOf(v *messages.Versions) *settings.Versions {
	if v == nil {
		return nil
	}
	s := &settings.Versions{Any: v.Any, Listed: make([]settings.Tag, len(v.Listed))}
	for i, t := range v.Listed {
		s.Listed[i] = settings.Tag{Version: t.Version, Micros: t.Modified}
	}
	return s
}

// timeOf, millis and micros convert times of the wire, which are in milliseconds or microseconds
// since 1970, 0 for none.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// idOf is the operation's id, but for planted bugs that tests must find.
func idOf(o *messages.Operation) string {
	if o.Keyed && failpoint.Hit("worker/key-lost") || !o.Keyed && failpoint.Hit("worker/id-anew") {
		return rand.Text()
	}
	return o.ID
}
