package worker_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

var (
	ann = messages.NewActor(messages.ActorUser, "ann", "j1")
	ci  = messages.NewActor(messages.ActorService, "ci", "a1")
)

func create(id string, by *messages.Actor) messages.Operation {
	return messages.Operation{
		Action: messages.ActionCreateToken, ID: "op-" + id, Actor: by,
		Token: &messages.Token{
			ID: id, Name: "of " + id, Hash: messages.HashToken(id), Scopes: []string{"users:list"},
			App: messages.DefaultApp, Expires: time.Now().Add(time.Hour).UnixMilli(),
		},
	}
}

func revoke(id string) messages.Operation {
	return messages.Operation{
		Action: messages.ActionRevokeToken, ID: "op", Token: &messages.Token{ID: id},
	}
}

var listTokens = messages.Operation{Action: messages.ActionListTokens}

func TestTokens(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, open(t), config)
	if got := do(t, nc, listTokens); got.Kind != "" || len(got.Tokens) != 0 {
		t.Errorf("at first: %s", show(got))
	}
	// Beside writes in one request, in any order.
	o := create("b2", ci)
	all := ask(t, nc, messages.WriteSubject, replace("ann", "1", `{"n":1}`), o,
		replace("ann", "2", `{"n":2}`), revoke("unknown"), create("c3", nil)).Results
	for i, want := range []messages.Kind{"", "", "", messages.KindNotFound, ""} {
		if all[i].Kind != want {
			t.Errorf("operation %d: %s", i, show(all[i]))
		}
	}
	if all[0].Version != 1 || all[2].Version != 2 || len(all[1].Tokens) != 1 {
		t.Errorf("results %s, %s, %s", show(all[0]), show(all[1]), show(all[2]))
	}
	want := *o.Token
	want.Created, want.CreatedBy = all[1].Tokens[0].Created, ci
	if got := all[1].Tokens[0]; got.Created == 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("created %+v\nwant %+v", got, want)
	}
	used := want.Created + 1
	if got := do(t, nc, messages.Operation{
		Action: messages.ActionUsedTokens, ID: "op",
		Uses: []messages.TokenUse{{ID: "b2", Time: used - 1}, {ID: "gone", Time: 1}},
	}); got.Kind != "" {
		t.Errorf("used: %s", show(got))
	}
	want.LastUsed = used - 1
	listed := do(t, nc, listTokens).Tokens
	if len(listed) != 2 || !reflect.DeepEqual(listed[0], want) || listed[1].CreatedBy != nil {
		t.Errorf("listed %+v\nwant %+v first", listed, want)
	}
	if got := do(t, nc, revoke("b2")); got.Kind != "" {
		t.Errorf("revoked: %s", show(got))
	}
	if listed = do(t, nc, listTokens).Tokens; len(listed) != 1 || listed[0].ID != "c3" {
		t.Errorf("after the revocation: %+v", listed)
	}
	o = create("c3", nil)
	o.Token.Hash = messages.HashToken("another")
	if got := do(t, nc, o); got.Kind != messages.KindIDReused {
		t.Errorf("another token with the same id: %s", show(got))
	}
}

// TestActors: the history says who made each version.
func TestActors(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	s, url := openAt(t)
	start(t, nc, s, config)
	by := func(actor *messages.Actor, o messages.Operation) {
		t.Helper()
		o.Actor = actor
		if got := do(t, nc, o); got.Kind != "" {
			t.Fatal(show(got))
		}
	}
	bob := messages.NewActor(messages.ActorUser, "bob", "")
	by(ann, replace("ann", "1", `{}`))
	by(ci, replace("ann", "2", `{}`))
	by(nil, replace("ann", "3", `{}`))
	by(bob, messages.Operation{Action: messages.ActionDelete, User: "ann", ID: "4"})
	r := do(t, nc, messages.Operation{Action: messages.ActionHistory, User: "ann", Limit: 10})
	for i, want := range []*messages.Actor{bob, nil, ci, ann} {
		if got := r.Entries[i].Actor; !reflect.DeepEqual(got, want) {
			t.Errorf("version %d: by %+v, want %+v", r.Entries[i].Version, got, want)
		}
	}
	// The user's own id isn't in each row of the log once more.
	var subjects []string
	if err := pgtest.Connect(t, url).QueryRow(t.Context(), `
		select array_agg(actor_subject order by version) from settings_log`,
	).Scan(&subjects); err != nil || !reflect.DeepEqual(subjects, []string{"", "ci", "", "bob"}) {
		t.Errorf("in the log: %q, %v", subjects, err)
	}
	by(ci, messages.Operation{
		Action: messages.ActionPutSchema, ID: "5", Document: []byte(`{"type":"object"}`),
	})
}

// TestAdminToken: the token of the configuration is valid from the start of a worker that has it to
// that of one that hasn't.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	s := open(t)
	secret := "outset_ops_" + strings.Repeat("s3", 16)
	configured := config
	configured.AdminToken = secret
	valid := func() []messages.Token { return do(t, nc, listTokens).Tokens }
	_, stop := start(t, nc, s, configured)
	eventually(t, "it is valid", func() bool { return len(valid()) == 1 })
	want := messages.Token{
		ID: messages.AdminTokenID(messages.HashToken(secret)), Name: "ADMIN_TOKEN",
		Hash: messages.HashToken(secret), Scopes: []string{"admin"}, App: messages.DefaultApp,
	}
	got := valid()[0]
	want.Created = got.Created
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	stop()
	_, stop = start(t, nc, s, config)
	eventually(t, "it is not valid any more", func() bool { return len(valid()) == 0 })
	stop()
	start(t, nc, s, configured)
	eventually(t, "it is valid again", func() bool { return len(valid()) == 1 })

	for _, token := range []string{"outset_ops_short", strings.Repeat("s3", 20)} {
		configured.AdminToken = token
		err := configured.Validate()
		if err == nil || !strings.Contains(err.Error(), "ADMIN_TOKEN") ||
			strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// TestTokensWithoutDatabase: a failure of one operation is not that of its neighbours.
func TestTokensWithoutDatabase(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	start(t, nc, &failingTokens{}, config)
	all := ask(t, nc, messages.WriteSubject, create("b2", nil), replace("ann", "1", `{}`)).Results
	if all[0].Kind != messages.KindInternal || all[1].Kind != "" {
		t.Errorf("%s, %s", show(all[0]), show(all[1]))
	}
}

// failingTokens keeps no tokens.
type failingTokens struct{ fakeStore }

func (failingTokens) CreateToken(context.Context, store.Token, time.Time) (store.Token, error) {
	return store.Token{}, errors.New("torn")
}
