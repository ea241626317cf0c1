package messages_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/pkg/messages"
)

// newToken is a token that may be created.
func newToken() *messages.Token {
	return &messages.Token{
		ID: "a1", Name: "nightly", Hash: messages.HashToken("outset_a1_secret"),
		Scopes: []string{"users:export"}, App: messages.DefaultApp,
	}
}

func TestCheckTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*messages.Token)
		want   string // in the detail; "": it may be
	}{
		"nothing":           {func(*messages.Token) {}, ""},
		"the longest id":    {func(t *messages.Token) { t.ID = strings.Repeat("i", 64) }, ""},
		"an id too long":    {func(t *messages.Token) { t.ID = strings.Repeat("i", 65) }, "id"},
		"no id":             {func(t *messages.Token) { t.ID = "" }, "id"},
		"an id of SQL":      {func(t *messages.Token) { t.ID = "a' or 1=1" }, "id"},
		"a reserved id":     {func(t *messages.Token) { t.ID = "admin0" }, `begin with "admin"`},
		"no name":           {func(t *messages.Token) { t.Name = " " }, "name"},
		"any name":          {func(t *messages.Token) { t.Name = "Jörg's token, 日本" }, ""},
		"a name too long":   {func(t *messages.Token) { t.Name = strings.Repeat("n", 65) }, "64 bytes"},
		"two lines":         {func(t *messages.Token) { t.Name = "a\nb" }, "control character"},
		"no UTF-8":          {func(t *messages.Token) { t.Name = "\xff" }, "UTF-8"},
		"no hash":           {func(t *messages.Token) { t.Hash = nil }, "SHA-256"},
		"a long hash":       {func(t *messages.Token) { t.Hash = make([]byte, 33) }, "SHA-256"},
		"no scopes":         {func(t *messages.Token) { t.Scopes = nil }, "1 to 8 scopes"},
		"too many scopes":   {func(t *messages.Token) { t.Scopes = make([]string, 9) }, "scopes"},
		"a scope of spaces": {func(t *messages.Token) { t.Scopes = []string{"a b"} }, "scope"},
		"no application":    {func(t *messages.Token) { t.App = "" }, "application"},
		"long ago":          {func(t *messages.Token) { t.Expires = 1 }, ""},
		"before all":        {func(t *messages.Token) { t.Expires = -1 }, "impossible time"},
		"after all":         {func(t *messages.Token) { t.Expires = 1 << 50 }, "impossible time"},
	} {
		token := newToken()
		c.change(token)
		o := messages.Operation{Action: messages.ActionCreateToken, ID: "op-1", Token: token}
		kind, detail := o.Check(messages.WriteSubject)
		if (kind == "") != (c.want == "") || !strings.Contains(detail, c.want) {
			t.Errorf("%s: %q %q, want %q", name, kind, detail, c.want)
		}
	}
}

func TestCheckUses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		uses []messages.TokenUse
		want string
	}{
		"one":        {[]messages.TokenUse{{ID: "a1", Time: 1}}, ""},
		"no id":      {[]messages.TokenUse{{Time: 1}}, "id"},
		"no time":    {[]messages.TokenUse{{ID: "a1"}}, "impossible time"},
		"after all":  {[]messages.TokenUse{{ID: "a1", Time: 1 << 60}}, "impossible time"},
		"too many":   {make([]messages.TokenUse, messages.MaxUses+1), "1 to 1000"},
		"one of two": {[]messages.TokenUse{{ID: "a1", Time: 1}, {}}, "id"},
	} {
		o := messages.Operation{Action: messages.ActionUsedTokens, ID: "op-1", Uses: c.uses}
		kind, detail := o.Check(messages.WriteSubject)
		if (kind == "") != (c.want == "") || !strings.Contains(detail, c.want) {
			t.Errorf("%s: %q %q, want %q", name, kind, detail, c.want)
		}
	}
}

func TestCheckActor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		actor *messages.Actor
		want  string
	}{
		"none":            {nil, ""},
		"a user":          {&messages.Actor{Kind: messages.ActorUser, Subject: "日本"}, ""},
		"no kind":         {&messages.Actor{}, "unknown kind"},
		"a later kind":    {&messages.Actor{Kind: 3}, "unknown kind"},
		"a long subject":  {&messages.Actor{Kind: 1, Subject: strings.Repeat("s", 129)}, "128 bytes"},
		"a long token":    {&messages.Actor{Kind: 1, Token: strings.Repeat("t", 65)}, "64 bytes"},
		"no UTF-8":        {&messages.Actor{Kind: 1, Subject: "\xff"}, "UTF-8"},
		"a NUL":           {&messages.Actor{Kind: 1, Token: "\x00"}, "control character"},
		"a line in a log": {&messages.Actor{Kind: 1, Subject: "a\nb"}, "control character"},
	} {
		o := messages.Operation{Action: messages.ActionRead, User: "42", Actor: c.actor}
		kind, detail := o.Check(messages.ReadSubject)
		if (kind == "") != (c.want == "") || !strings.Contains(detail, c.want) {
			t.Errorf("%s: %q %q, want %q", name, kind, detail, c.want)
		}
	}
}

// TestNewActor: whatever a token says of its subject, the workers take the actor.
func TestNewActor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		anything := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200),
			func(b []byte) string { return string(b) })
		subject := anything.Draw(t, "subject")
		o := messages.Operation{
			Action: messages.ActionRead, User: "42",
			Actor: messages.NewActor(messages.ActorUser, subject, anything.Draw(t, "token")),
		}
		if kind, detail := o.Check(messages.ReadSubject); kind != "" {
			t.Fatalf("%s: %s", kind, detail)
		}
	})
	for text, want := range map[string]string{
		"42": "42", "日本": "日本", "a\nb": "a?b", "\xff": "?",
		strings.Repeat("é", 100): strings.Repeat("é", 64),
	} {
		if got := messages.NewActor(messages.ActorUser, text, "").Subject; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNewToken(t *testing.T) {
	t.Parallel()
	one, id := messages.NewToken()
	another, _ := messages.NewToken()
	if !regexp.MustCompile(`^outset_[0-9a-f]{16}_[0-9a-f]{64}$`).MatchString(one) ||
		!strings.HasPrefix(one, messages.TokenPrefix+id+"_") || one == another {
		t.Errorf("%s with id %s, and then %s", one, id, another)
	}
	if err := messages.CheckConfiguredToken(one); err != nil {
		t.Errorf("one like those that we make: %v", err)
	}
	hash := messages.HashToken(one)
	if bytes.Equal(hash, messages.HashToken(another)) || len(hash) != 32 {
		t.Errorf("hash %x", hash)
	}
	if got := messages.AdminTokenID(hash); len(got) != 16 || !strings.HasPrefix(got, "admin") {
		t.Errorf("the id of a token in the configuration: %s", got)
	}
}

func TestCheckConfiguredToken(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s3", 16)
	for token, right := range map[string]bool{
		"outset_admin_" + secret:                   true,
		"outset_admin_" + strings.Repeat("s", 128): true,
		"":                            false,
		"outset_admin_" + secret[:31]: false,
		"outset_admin_" + strings.Repeat("s", 129):    false,
		"outset__" + secret:                           false,
		"admin_" + secret:                             false,
		"outset_admin_" + secret + "\n":               false,
		"outset_admin_" + secret[:16] + "$" + secret:  false,
		"Bearer outset_admin_" + secret:               false,
		"outset_admin_" + secret[:31] + "\xc3\xa9":    false,
		"outset_admin_" + secret + " outset_" + "sss": false,
	} {
		err := messages.CheckConfiguredToken(token)
		if (err == nil) != right {
			t.Errorf("%q: %v", token, err)
		}
		if err != nil && strings.Contains(err.Error(), secret[:31]) {
			t.Errorf("the error has the secret: %v", err)
		}
	}
}
