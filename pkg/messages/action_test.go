package messages_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// every returns the least operation with each action that a worker takes.
func every() map[messages.Action]messages.Operation {
	write := func(a messages.Action) messages.Operation {
		return messages.Operation{Action: a, User: "42", ID: "op-1"}
	}
	all := map[messages.Action]messages.Operation{
		messages.ActionRead:        {User: "42"},
		messages.ActionReplace:     write(messages.ActionReplace),
		messages.ActionMergePatch:  write(messages.ActionMergePatch),
		messages.ActionJSONPatch:   write(messages.ActionJSONPatch),
		messages.ActionDelete:      write(messages.ActionDelete),
		messages.ActionSetValue:    {User: "42", ID: "op-1", Path: []string{"a"}},
		messages.ActionDeleteValue: {User: "42", ID: "op-1", Path: []string{"a"}},
		messages.ActionRestore:     {User: "42", ID: "op-1", Version: 1},
		messages.ActionErase:       write(messages.ActionErase),
		messages.ActionReadValue:   {User: "42", Path: []string{""}},
		messages.ActionReadVersion: {User: "42", Version: 1},
		messages.ActionHistory:     {User: "42", Limit: 1},
		messages.ActionLimits:      {},

		messages.ActionReadNumber:    {User: "42"},
		messages.ActionListUsers:     {List: &messages.Listing{Limit: 1}},
		messages.ActionReadEffective: {User: "42"},
		messages.ActionReadSchema:    {},
		messages.ActionPutSchema:     {ID: "op-1"},
		messages.ActionDeleteSchema:  {ID: "op-1"},
		messages.ActionTrySchema:     {List: &messages.Listing{Limit: 1}},

		messages.ActionListTokens:  {},
		messages.ActionCreateToken: {ID: "op-1", Token: newToken()},
		messages.ActionRevokeToken: {ID: "op-1", Token: &messages.Token{ID: "a1"}},
		messages.ActionUsedTokens:  {ID: "op-1", Uses: []messages.TokenUse{{ID: "a1", Time: 1}}},

		messages.ActionFollow: {Follow: &messages.Following{Limit: 1}},
		messages.ActionTry:    {User: "42"},
	}
	for a, o := range all {
		o.Action = a
		all[a] = o
	}
	return all
}

// TestCheckEveryAction changes one thing at a time, of every action, and says for which it matters.
func TestCheckEveryAction(t *testing.T) {
	t.Parallel()
	only := func(actions ...messages.Action) func(messages.Action) bool {
		return func(a messages.Action) bool { return slices.Contains(actions, a) }
	}
	paths := only(messages.ActionReadValue, messages.ActionSetValue, messages.ActionDeleteValue)
	versions := only(messages.ActionReadVersion, messages.ActionRestore)
	history := only(messages.ActionHistory)
	listings := only(messages.ActionListUsers, messages.ActionTrySchema)
	ofUsers := func(a messages.Action) bool { return a.Scope() == messages.ScopeUser }
	unconditional := func(a messages.Action) bool {
		return !a.Writes() || a.Scope() == messages.ScopeService
	}
	tokens := only(messages.ActionCreateToken, messages.ActionRevokeToken)
	uses := only(messages.ActionUsedTokens)
	always := func(messages.Action) bool { return true }
	never := func(messages.Action) bool { return false }
	tooMany := &messages.Versions{Listed: make([]messages.Tag, messages.MaxVersions+1)}
	for name, c := range map[string]struct {
		change  func(o *messages.Operation)
		refused func(messages.Action) bool
		detail  string
	}{
		"nothing": {func(*messages.Operation) {}, never, ""},
		"no user": {
			func(o *messages.Operation) { o.User = "" }, ofUsers,
			"user id is empty",
		},
		"no id": {
			func(o *messages.Operation) { o.ID = "" }, messages.Action.Writes,
			"operation id",
		},
		"no path": {
			func(o *messages.Operation) { o.Path = nil }, paths,
			"path is empty",
		},
		"a bad path": {
			func(o *messages.Operation) { o.Path = []string{"a", "\x00"} },
			paths, "U+0000",
		},
		"no version": {
			func(o *messages.Operation) { o.Version = 0 }, versions,
			"from 1 on",
		},
		"the first version": {func(o *messages.Operation) { o.Version = 1 }, never, ""},
		"a negative version": {
			func(o *messages.Operation) { o.Version = -1 }, always,
			"version",
		},
		"no limit": {
			func(o *messages.Operation) { o.Limit = 0 }, history,
			"from 1 to 128",
		},
		"a negative limit": {
			func(o *messages.Operation) { o.Limit = -1 }, history,
			"from 1 to 128",
		},
		"the highest limit": {
			func(o *messages.Operation) { o.Limit = messages.MaxEntries },
			never, "",
		},
		"a limit too high": {
			func(o *messages.Operation) { o.Limit = messages.MaxEntries + 1 },
			history, "from 1 to 128",
		},
		"a condition": {
			func(o *messages.Operation) { o.If = &messages.Condition{} },
			unconditional, "takes no condition",
		},
		"a long condition": {func(o *messages.Operation) {
			o.If = &messages.Condition{Match: tooMany}
		}, always, "condition"},
		"another one": {func(o *messages.Operation) {
			o.If = &messages.Condition{NoneMatch: tooMany}
		}, always, "condition"},
		"quiet":  {func(o *messages.Operation) { o.Quiet = true }, never, ""},
		"issued": {func(o *messages.Operation) { o.Issued = lastMillis*1000 + 999 }, never, ""},
		"issued before all times": {
			func(o *messages.Operation) { o.Issued = -1 }, always, "impossible",
		},
		"issued after all times": {
			func(o *messages.Operation) { o.Issued = (lastMillis + 1) * 1000 }, always,
			"impossible",
		},
		"the last deadline": {
			func(o *messages.Operation) { o.Deadline = lastMillis }, never, "",
		},
		"a deadline before all times": {
			func(o *messages.Operation) { o.Deadline = -1 }, always, "impossible",
		},
		"a deadline that wraps around": {
			func(o *messages.Operation) { o.Deadline = math.MaxInt64 }, always, "impossible",
		},
		"a condition's time that wraps around": {func(o *messages.Operation) {
			o.If = &messages.Condition{UnmodifiedSince: math.MaxInt64}
		}, always, "condition"},
		"a condition's time before all times": {func(o *messages.Operation) {
			o.If = &messages.Condition{UnmodifiedSince: -1}
		}, always, "condition"},
		"a condition's version before all": {func(o *messages.Operation) {
			o.If = &messages.Condition{Match: &messages.Versions{Listed: []messages.Tag{{1, 0}, {-1, 0}}}}
		}, always, "condition"},
		"a request id of two lines": {
			func(o *messages.Operation) { o.RequestID = "a\nb" }, always, "control character",
		},
		"no listing": {
			func(o *messages.Operation) { o.List = nil }, listings,
			"from 1 to 500",
		},
		"an empty listing": {
			func(o *messages.Operation) { o.List = &messages.Listing{} },
			listings, "from 1 to 500",
		},
		"a listing too long": {func(o *messages.Operation) {
			o.List = &messages.Listing{Limit: 501}
		}, listings, "from 1 to 500"},
		"a long cursor": {func(o *messages.Operation) {
			o.List = &messages.Listing{Limit: 500, After: strings.Repeat("a", 129)}
		}, always, "no user id"},
		"a time before all": {func(o *messages.Operation) {
			o.List = &messages.Listing{Limit: 500, Since: -1}
		}, always, "impossible time"},
		"a time after all": {func(o *messages.Operation) {
			o.List = &messages.Listing{Limit: 500, Since: 253402300800000000}
		}, always, "impossible time"},
		"a NUL as cursor": {func(o *messages.Operation) {
			o.List = &messages.Listing{Limit: 500, After: "\x00"}
		}, always, "no user id"},
		"a request id too long": {func(o *messages.Operation) {
			o.RequestID = strings.Repeat("r",
				65)
		}, always, "too long"},
		"an actor": {func(o *messages.Operation) {
			o.Actor = messages.NewActor(messages.ActorUser, "42", "t")
		}, never, ""},
		"an actor of no kind": {func(o *messages.Operation) {
			o.Actor = &messages.Actor{Subject: "42"}
		}, always, "unknown kind"},
		"no token": {func(o *messages.Operation) { o.Token = nil }, tokens, "token's id"},
		"no uses":  {func(o *messages.Operation) { o.Uses = nil }, uses, "1 to 1000"},
	} {
		for action, o := range every() {
			c.change(&o)
			want, wanted := messages.Kind(""), ""
			if c.refused(action) {
				want, wanted = messages.KindMalformed, c.detail
			}
			if kind, detail := o.Check(action.Subject()); kind != want ||
				!strings.Contains(detail, wanted) {
				t.Errorf("action %d with %s: %q %q, want %q %q", action, name, kind, detail, want,
					wanted)
			}
		}
	}
}

func TestEveryActionHasOneSubject(t *testing.T) {
	t.Parallel()
	all := every()
	if len(all) != int(messages.LastAction) {
		t.Fatalf("%d of %d actions are tried", len(all), messages.LastAction)
	}
	for action, o := range all {
		for _, subject := range []string{messages.ReadSubject, messages.WriteSubject} {
			kind, detail := o.Check(subject)
			if right := subject == action.Subject(); right != (kind == "") ||
				!right && !strings.Contains(detail, action.Subject()) {
				t.Errorf("action %d on %s: %q %q", action, subject, kind, detail)
			}
		}
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", messages.MaxPath)
	for name, c := range map[string]struct {
		path []string
		want string // in the error; "": it may be
	}{
		"a key":         {[]string{"theme"}, ""},
		"an index":      {[]string{"tags", "0"}, ""},
		"the end":       {[]string{"tags", "-"}, ""},
		"an empty key":  {[]string{""}, ""},
		"empty keys":    {[]string{"", "", ""}, ""},
		"separators":    {[]string{"a/b", "~0", "c.d", " "}, ""},
		"any letters":   {[]string{"日本", "e\u0301", "👩\u200d👧", "\u2028"}, ""},
		"the deepest":   {slices.Repeat([]string{"a"}, messages.MaxTokens), ""},
		"the longest":   {[]string{longest}, ""},
		"nothing":       {nil, "empty"},
		"empty":         {[]string{}, "empty"},
		"too deep":      {slices.Repeat([]string{"a"}, messages.MaxTokens+1), "more than 128"},
		"too long":      {[]string{longest, "b"}, "over 4096 bytes"},
		"a NUL":         {[]string{"a", "b\x00"}, "U+0000"},
		"a line feed":   {[]string{"a\nb"}, "U+000A"},
		"a C1 control":  {[]string{"\u0085"}, "U+0085"},
		"not UTF-8":     {[]string{"a", "\xff"}, "not valid UTF-8"},
		"half a letter": {[]string{"\xe6\x97", "\xa5"}, "not valid UTF-8"},
		"a surrogate":   {[]string{"\xed\xa0\x80"}, "not valid UTF-8"},
		"twice wrong":   {[]string{longest, "\x00"}, "the path"},
	} {
		err := messages.CheckPath(c.path)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
}
