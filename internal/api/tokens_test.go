package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/api"
)

// adminSecret is the token that the workers of these tests are configured with.
var adminSecret = "outset_ops_" + strings.Repeat("s3", 16)

// newKept starts an API that asks its worker for the static tokens.
func newKept(t *testing.T) (s *secured, admin string) {
	t.Helper()
	s = newSecured(t, func(c *api.Config) { c.Tokens = nil })
	config := workerConfig
	config.AdminToken = adminSecret
	s.startWorkerWith(config)
	admin = "Authorization: Bearer " + adminSecret
	eventually(t, "the token of the configuration is valid", func() bool {
		return s.do("GET", "/tokens", "", admin).status == http.StatusOK
	})
	return s, admin
}

// keptToken is a token as the API shows it.
type keptToken struct {
	ID, Name, Token string
	Scopes          []string
	CreatedBy       *struct{ Kind, Subject, Token string }
	Created         time.Time
	Expires         time.Time
	LastUsed        time.Time
}

func (s *secured) makeToken(t *testing.T, admin, body string) keptToken {
	t.Helper()
	a := s.do("POST", "/tokens", body, admin, isJSON)
	var made keptToken
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || a.status != http.StatusCreated ||
		a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	return made
}

func (s *secured) listTokens(t *testing.T, admin string) map[string]keptToken {
	t.Helper()
	a := s.do("GET", "/tokens", "", admin)
	var all struct{ Tokens []keptToken }
	if err := json.Unmarshal([]byte(a.body), &all); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	byName := make(map[string]keptToken)
	for _, token := range all.Tokens {
		byName[token.Name] = token
	}
	return byName
}

// TestTokens: a token is made, used, listed and revoked, and its secret is shown once.
func TestTokens(t *testing.T) {
	t.Parallel()
	s, admin := newKept(t)
	made := s.makeToken(t, admin, `{"name":"nightly","scopes":["users:list","settings:write"],`+
		`"expires":"2099-01-02T03:04:05Z"}`)
	if !strings.HasPrefix(made.Token, "outset_"+made.ID+"_") || made.CreatedBy == nil ||
		made.CreatedBy.Subject != "ADMIN_TOKEN" || made.Expires.Year() != 2099 {
		t.Errorf("made %+v", made)
	}
	nightly := "Authorization: Bearer " + made.Token
	if a := s.do("GET", "/users", "", nightly); a.status != http.StatusOK {
		t.Errorf("the new token: %d %s", a.status, a.body)
	}
	for _, request := range []string{"GET /tokens", "POST /tokens", "DELETE /tokens/" + made.ID} {
		method, path, _ := strings.Cut(request, " ")
		if a := s.do(method, path, "", nightly, isJSON); a.status != http.StatusForbidden {
			t.Errorf("%s without the scope: %d %s", request, a.status, a.body)
		}
		if a := s.do(method, path, "", s.user("ann"), isJSON); a.status != http.StatusNotFound {
			t.Errorf("%s as a user: %d %s", request, a.status, a.body)
		}
	}
	listed := s.listTokens(t, admin)
	if got := listed["nightly"]; got.ID != made.ID || got.Token != "" || len(listed) != 2 {
		t.Errorf("listed %+v", listed)
	}
	if a := s.do("DELETE", "/tokens/"+made.ID, "", admin); a.status != http.StatusNoContent {
		t.Errorf("revoking: %d %s", a.status, a.body)
	}
	eventually(t, "it is refused", func() bool {
		return s.do("GET", "/users", "", nightly).status == http.StatusUnauthorized
	})
	for secret, where := range map[string]string{made.Token: "the new", adminSecret: "the first"} {
		if strings.Contains(s.log.String(), strings.TrimPrefix(secret, "outset_")) {
			t.Errorf("%s token is in the log", where)
		}
	}
	for _, event := range []string{"create-token", "revoke-token"} {
		if !strings.Contains(s.log.String(), event) {
			t.Errorf("the log doesn't say %s", event)
		}
	}
}

// TestTokensRefused: what can't be a token is refused before a worker hears of it.
func TestTokensRefused(t *testing.T) {
	t.Parallel()
	s, admin := newKept(t)
	for _, c := range []struct {
		request, body, header string
		status                int
		detail                string
	}{
		{"POST /tokens", `{"name":"a","scopes":[]}`, isJSON, 400, "scope"},
		{"POST /tokens", `{"name":"a"}`, isJSON, 400, "scope"},
		{"POST /tokens", `{"name":"a","scopes":["root"]}`, isJSON, 400, `"root" is not a scope`},
		{"POST /tokens", `{"name":"","scopes":["admin"]}`, isJSON, 400, "no name"},
		{"POST /tokens", `{"name":"a\u0000","scopes":["admin"]}`, isJSON, 400, "control"},
		{"POST /tokens", `{"name":"` + strings.Repeat("n", 65) + `","scopes":["admin"]}`, isJSON, 400, "64"},
		{"POST /tokens", `{"name":"a","scopes":["admin"],"scopes":[]}`, isJSON, 400, "duplicate object member name"},
		{"POST /tokens", `{"name":"a","scopes":["admin"],"id":"x"}`, isJSON, 400, "unknown member id"},
		{"POST /tokens", `{"name":"a","scopes":["admin"],"expires":"2001-02-03T04:05:06Z"}`, isJSON, 400, "expired"},
		{"POST /tokens", `{"name":"a","scopes":["admin"],"expires":"tomorrow"}`, isJSON, 400, "expires must be a time (RFC 3339) like 2026"},
		{"POST /tokens", `{"name":"a","scopes":["admin"],"expires":""}`, isJSON, 400, "expires must be a time"},
		{"POST /tokens", `{"name":"a","scopes":["admin"],"expires":5}`, isJSON, 400, "expires can't be a JSON number"},
		{"POST /tokens", `{"name":"a","scopes":"admin"}`, isJSON, 400, "scopes can't be a JSON string"},
		{"POST /tokens", `[]`, isJSON, 400, ""},
		{"POST /tokens", ``, isJSON, 400, ""},
		{"POST /tokens", `{"name":"a","scopes":["admin"]}`, "Content-Type: text/plain", 415, ""},
		{"POST /tokens", `{"name":"a","scopes":["admin"]}`, isJSON + "\nIdempotency-Key: k", 400, "Idempotency-Key"},
		{"DELETE /tokens/a%20b", ``, "", 400, "id"},
		{"DELETE /tokens/unknown", ``, "", 404, "no such token"},
		{"GET /tokens/unknown", ``, "", 405, ""},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		header := []string{admin}
		if c.header != "" {
			header = append(header, strings.Split(c.header, "\n")...)
		}
		a := s.do(method, path, c.body, header...)
		if a.status != c.status || !strings.Contains(strings.ReplaceAll(a.body, `\"`, `"`), c.detail) {
			t.Errorf("%s %s %s: %d %s, want %d and %q", c.request, c.header, c.body, a.status, a.body,
				c.status, c.detail)
		}
	}
	if n := len(s.listTokens(t, admin)); n != 1 {
		t.Errorf("%d tokens were made", n-1)
	}
}

// TestTokensWithoutAuth: where everybody may do everything nobody can make a token that is valid
// later on.
func TestTokensWithoutAuth(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for _, request := range []string{"GET /tokens", "POST /tokens", "DELETE /tokens/a1"} {
		method, path, _ := strings.Cut(request, " ")
		if a := s.do(method, path, `{"name":"a","scopes":["admin"]}`, isJSON); a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", request, a.status, a.body)
		}
	}
}

// TestHistoryTellsWho made each version, to whoever may read the history, and the token to
// administrators.
func TestHistoryTellsWho(t *testing.T) {
	t.Parallel()
	s, admin := newKept(t)
	writer := "Authorization: Bearer " +
		s.makeToken(t, admin, `{"name":"writer","scopes":["settings:write"]}`).Token
	ann := s.user("ann")
	applied := func(a answer) {
		t.Helper()
		if a.status != http.StatusOK && a.status != http.StatusNoContent {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	applied(s.do("PUT", "/user/ann/settings", `{"n":1}`, ann, isJSON))
	applied(s.do("PUT", "/user/ann/settings", `{"n":2}`, writer, isJSON))
	applied(s.do("POST", "/batch", `{"operations":[{"method":"DELETE","path":"/user/ann/settings"}]}`, ann,
		isJSON))
	applied(s.do("POST", "/users/import", `{"user":"ann","settings":{"n":4}}`+"\n", writer,
		"Content-Type: application/x-ndjson"))
	who := func(header string) (all []string) {
		t.Helper()
		a := s.do("GET", "/user/ann/history", "", header)
		var page struct {
			Versions []struct {
				By struct{ Kind, Subject, Token string }
			}
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for _, v := range page.Versions {
			token := ""
			if v.By.Token != "" {
				token = ", token"
			}
			all = append(all, fmt.Sprintf("%s %s%s", v.By.Kind, v.By.Subject, token))
		}
		return all
	}
	want := "[service writer user ann service writer user ann]"
	for _, header := range []string{ann, writer} {
		if got := fmt.Sprint(who(header)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := fmt.Sprint(who(admin)); got !=
		"[service writer, token user ann, token service writer, token user ann, token]" {
		t.Errorf("as an administrator: %s", got)
	}
}
