package messages_test

import (
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

func TestCheckUser(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", messages.MaxUser)
	for user, want := range map[string]string{ // to what is said about it; "": it may be
		"42":                              "",
		"auth0|ab12":                      "",
		"ann@example.org":                 "",
		"日本":                              "",
		"👩\u200d👩\u200d👧\u200d👦":          "", // joined by U+200D, which is no control character
		"Ann Example":                     "",
		"שלום\u200f":                      "",
		"e\u0301":                         "", // not normalized: another id than é
		"../../etc/passwd":                "",
		"' OR 1=1--":                      "",
		"settings.v1.>":                   "",
		"*":                               "",
		" ":                               "",
		longest:                           "",
		strings.Repeat("é", 64):           "",
		"":                                "empty",
		longest + "a":                     "over 128 bytes",
		strings.Repeat("é", 64) + "a":     "over 128 bytes", // bytes, not letters
		"a\x00b":                          "U+0000",
		"a\n":                             "U+000A",
		"a\tb":                            "U+0009",
		"\x7f":                            "U+007F",
		"\u0085":                          "U+0085",
		"a\u2028b":                        "U+2028",
		"a\u2029b":                        "U+2029",
		"\xff":                            "not valid UTF-8",
		"a\xc3":                           "not valid UTF-8", // cut in the middle of a letter
		"\xed\xa0\x80":                    "not valid UTF-8", // a surrogate
		"\xc0\x80":                        "not valid UTF-8", // an overlong NUL
		strings.Repeat("\xff", 129):       "over 128 bytes",
		strings.Repeat("\u2028", 43) + "": "over 128 bytes",
	} {
		switch err := messages.CheckUser(user); {
		case want == "" && err != nil:
			t.Errorf("%q: %v", user, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q in it", user, err, want)
		}
	}
}

func TestOperationCheck(t *testing.T) {
	t.Parallel()
	const none = messages.Kind("")
	change := func(f func(o *messages.Operation)) messages.Operation {
		o := messages.Operation{
			Action: messages.ActionReplace, User: "42", ID: "op-1", Document: []byte(theme),
		}
		f(&o)
		return o
	}
	for name, c := range map[string]struct {
		operation messages.Operation
		subject   string
		kind      messages.Kind
		detail    string
	}{
		"a read": {
			messages.Operation{Action: messages.ActionRead, User: "42"},
			messages.ReadSubject, none, "",
		},
		"a write": {
			change(func(*messages.Operation) {}), messages.WriteSubject,
			none, "",
		},
		"a write on a reader": {
			change(func(*messages.Operation) {}), messages.ReadSubject,
			messages.KindMalformed, messages.WriteSubject,
		},
		"a read on a writer": {change(
			func(o *messages.Operation) { o.Action = messages.ActionRead },
		), messages.WriteSubject, messages.KindMalformed, messages.ReadSubject},
		"another subject": {
			change(func(*messages.Operation) {}), "settings.v2.write",
			messages.KindMalformed, messages.WriteSubject,
		},
		"no action": {
			change(func(o *messages.Operation) { o.Action = 0 }),
			messages.WriteSubject, messages.KindUnknownAction, "action 0",
		},
		"an action of the future": {
			change(func(o *messages.Operation) { o.Action = 200 }),
			messages.WriteSubject, messages.KindUnknownAction, "action 200",
		},
		"no user": {
			change(func(o *messages.Operation) { o.User = "" }),
			messages.WriteSubject, messages.KindMalformed, "user id",
		},
		"the largest document": {change(func(o *messages.Operation) {
			o.Document = make([]byte,
				messages.MaxDocument)
		}), messages.WriteSubject, none, ""},
		"a document too large": {change(func(o *messages.Operation) {
			o.Document = make([]byte,
				messages.MaxDocument+1)
		}), messages.WriteSubject, messages.KindTooLarge, "524288"},
		// it is opaque
		"no document": {
			change(func(o *messages.Operation) { o.Document = nil }),
			messages.WriteSubject, none, "",
		},
		"no id": {
			change(func(o *messages.Operation) { o.ID = "" }),
			messages.WriteSubject, messages.KindMalformed, "needs an operation id",
		},
		"the longest id": {change(
			func(o *messages.Operation) { o.ID = strings.Repeat("i", messages.MaxID) },
		), messages.WriteSubject, none, ""},
		"an id too long": {change(
			func(o *messages.Operation) { o.ID = strings.Repeat("i", messages.MaxID+1) },
		), messages.WriteSubject, messages.KindMalformed, "too long"},
		"an id of two lines": {
			change(func(o *messages.Operation) { o.ID = "a\nb" }),
			messages.WriteSubject, messages.KindMalformed, "control character",
		},
		// Postgres can't have it
		"an id with a NUL": {
			change(func(o *messages.Operation) { o.ID = "a\x00" }),
			messages.WriteSubject, messages.KindMalformed, "control character",
		},
		"a request id too long": {change(func(o *messages.Operation) {
			o.RequestID = strings.Repeat("r", messages.MaxRequestID+1)
		}), messages.WriteSubject, messages.KindMalformed, "too long"},
		// Expired is for that
		"a deadline long ago": {
			change(func(o *messages.Operation) { o.Deadline = 1 }),
			messages.WriteSubject, none, "",
		},
		"a read with a document": {messages.Operation{
			Action: messages.ActionRead, User: "42",
			Document: make([]byte, messages.MaxDocument+1),
		}, messages.ReadSubject, messages.KindTooLarge, ""},
		"a read without a user": {
			messages.Operation{Action: messages.ActionRead},
			messages.ReadSubject, messages.KindMalformed, "empty",
		},
		"a read of an odd user": {messages.Operation{
			Action: messages.ActionRead,
			User:   "a\x00",
		}, messages.ReadSubject, messages.KindMalformed, "U+0000"},
		"nothing": {
			messages.Operation{},
			messages.WriteSubject,
			messages.KindUnknownAction, "action 0",
		},
		"a user who is not UTF-8": {
			change(func(o *messages.Operation) { o.User = "\xff" }),
			messages.WriteSubject, messages.KindMalformed, "UTF-8",
		},
		"the subject of both (old)": {
			change(func(*messages.Operation) {}), "",
			messages.KindMalformed, messages.WriteSubject,
		},
	} {
		kind, detail := c.operation.Check(c.subject)
		if kind != c.kind || !strings.Contains(detail, c.detail) {
			t.Errorf("%s: got %q %q, want %q %q", name, kind, detail, c.kind, c.detail)
		}
		if (kind == "") != (detail == "") || len(detail) > messages.MaxDetail {
			t.Errorf("%s: kind %q and detail %q", name, kind, detail)
		}
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	deadline := time.UnixMilli(1764000000000)
	for name, c := range map[string]struct {
		deadline int64
		now      time.Time
		want     bool
	}{
		"no deadline": {0, deadline, false},
		"before":      {deadline.UnixMilli(), deadline.Add(-time.Nanosecond), false},
		// as in SQL: clock_timestamp() < deadline
		"at it":    {deadline.UnixMilli(), deadline, true},
		"after":    {deadline.UnixMilli(), deadline.Add(time.Hour), true},
		"long ago": {-1, deadline, true},
	} {
		o := messages.Operation{Deadline: c.deadline}
		if got := o.Expired(c.now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
