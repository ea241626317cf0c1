package clienttest

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// TestTokenManagement: what is sent to the service, and what is understood of its answers.
func TestTokenManagement(t *testing.T) {
	t.Parallel()
	const one = `{"id":"a1","name":"ci","scopes":["users:list"],"application":"default",` +
		`"created":"2026-11-27T03:00:00Z","createdBy":{"kind":"service","subject":"ops","token":"b2"}`
	want := client.Token{
		ID: "a1", Name: "ci", Scopes: []string{"users:list"}, Application: "default",
		Created:   time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC),
		CreatedBy: &client.Actor{Kind: "service", Subject: "ops", Token: "b2"},
	}
	var said atomic.Value
	c := newClient(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said.Store(r.Method + " " + r.URL.EscapedPath() + " " + string(body))
		w.Header().Set("Content-Type", "application/json")
		switch r.Method {
		case http.MethodPost:
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, one+`,"token":"outset_a1_secret"}`)
		case http.MethodGet:
			_, _ = io.WriteString(w, `{"tokens":[`+one+`,"lastUsed":"2026-11-27T03:00:00Z"}]}`)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})), quick)

	made, secret, err := c.CreateToken(t.Context(), client.NewToken{
		Name: "ci", Scopes: []string{"users:list"}, Expires: want.Created,
	})
	if err != nil || secret != "outset_a1_secret" || !reflect.DeepEqual(made, want) {
		t.Errorf("%+v, %q, %v", made, secret, err)
	}
	if got := said.Load(); got != `POST /tokens {"name":"ci","scopes":["users:list"],`+
		`"expires":"2026-11-27T03:00:00Z"}` {
		t.Errorf("sent %s", got)
	}
	want.LastUsed = want.Created
	all, err := c.Tokens(t.Context())
	if err != nil || !reflect.DeepEqual(all, []client.Token{want}) {
		t.Errorf("%+v, %v", all, err)
	}
	if err := c.RevokeToken(t.Context(), "a/1"); err != nil || said.Load() != "DELETE /tokens/a%2F1 " {
		t.Errorf("%v, sent %s", err, said.Load())
	}
	wantKind(t, c.RevokeToken(t.Context(), ""), client.ErrMalformed)
}

// TestTokenIsCreatedOnce: a lost answer isn't made up for, since that would make another token.
func TestTokenIsCreatedOnce(t *testing.T) {
	t.Parallel()
	base, requests := startProxy(t, 1000, cut)
	_, _, err := newClient(t, base, quick).CreateToken(t.Context(), client.NewToken{Name: "ci"})
	wantKind(t, err, client.ErrOutcomeUnknown)
	if requests.Load() != 1 {
		t.Errorf("%d requests", requests.Load())
	}
	base, requests = startProxy(t, 1000, problem(503, "overloaded"))
	_, _, err = newClient(t, base, quick).CreateToken(t.Context(), client.NewToken{Name: "ci"})
	wantKind(t, err, client.ErrUnavailable)
	if requests.Load() != 5 || strings.Contains(err.Error(), "unknown") {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}
