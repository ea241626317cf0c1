package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/golang-jwt/jwt/v5"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/testmetrics"
)

// TestUnauthorized: tokens that are none get the same answer over HTTP, whatever is wrong with
// them.
func TestUnauthorized(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	now := time.Now()
	good := s.sign("ann")
	none := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"sub": "ann"})
	unsigned, err := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	hmac := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ann", "iss": issuer, "aud": audience, "exp": now.Add(time.Hour).Unix()})
	hmac.Header["kid"] = "1"
	hashed, err := hmac.SignedString([]byte("the public key"))
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for name, token := range map[string]string{
		"alg none": unsigned, "HS256": hashed, "dots": strings.Repeat(".", 7000), "garbage": "garbage",
		"expired":          s.sign("ann", jwt.MapClaims{"exp": now.Add(-time.Hour).Unix()}),
		"not yet valid":    s.sign("ann", jwt.MapClaims{"nbf": now.Add(time.Hour).Unix()}),
		"another audience": s.sign("ann", jwt.MapClaims{"aud": "x"}), "another issuer": s.sign("ann", jwt.MapClaims{"iss": "x"}),
		"revoked": "outset_0123456789abcdef_" + strings.Repeat("a", 43), "twice": good + "\r\nAuthorization: Bearer " + good,
	} {
		header := []string{"Authorization: Bearer " + token, "X-Request-ID: same"}
		if name == "twice" {
			header = []string{"Authorization: Bearer " + good, "Authorization: Bearer " + good, "X-Request-ID: same"}
		}
		a := s.do("GET", "/user/ann/settings", "", header...)
		if a.status != http.StatusUnauthorized ||
			a.header.Get("WWW-Authenticate") != `Bearer realm="outset", error="invalid_token"` {
			t.Errorf("%s: %d %v %s", name, a.status, a.header, a.body)
		}
		if first == "" {
			first = a.body
		}
		if a.body != first {
			t.Errorf("%s: the answer tells what is wrong: %s", name, a.body)
		}
	}
	a := s.do("GET", "/user/ann/settings", "")
	if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") != `Bearer realm="outset"` {
		t.Errorf("no token: %d %v", a.status, a.header)
	}
	if a := s.do("GET", "/user/ann/settings", "", "Authorization: Bearer "+strings.Repeat(".", 100_000)); a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("100,000 dots: %d", a.status)
	}
	failures := func(reason string) string {
		return `outset_http_authentication_failures_total{reason="` + reason + `"}`
	}
	testmetrics.Of(t, s.api.Metrics()).Want(t, testmetrics.Values{
		failures("missing"): 1, failures("malformed"): 5, failures("unknown"): 1,
		failures("expired"): 1, failures("claims"): 3, failures("signature"): 0,
		failures("unavailable"): 0,
	})
	if log := s.log.String(); !strings.Contains(log, "it has expired") || strings.Contains(log, good) {
		t.Errorf("the log doesn't say why, or has a token in it: %s", log)
	}
}

// TestBodiesOfRefused: a request that is refused leaves the connection usable or ends it, and its
// body isn't taken for a request.
func TestBodiesOfRefused(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	large := strings.Repeat(" ", 200_000)
	for path, want := range map[string]int{
		"/batch": http.StatusUnauthorized, "/users/import": http.StatusUnauthorized,
		"/user/ann/settings": http.StatusRequestEntityTooLarge, "/nowhere": http.StatusRequestEntityTooLarge,
	} {
		if a := s.do("POST", path, large, "Content-Type: application/x-ndjson"); a.status != want {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestSubrequestIdentity: a subrequest has the sender of its multi-request, and can't have another.
func TestSubrequestIdentity(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	for _, name := range []string{"Authorization", "authorization", "Cookie"} {
		a := s.do("POST", "/batch", `{"operations":[{"method":"GET","path":"/user/bob/settings","headers":{"`+name+`":"x"}}]}`,
			isJSON, s.user("ann"))
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, "can't have the header") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	a := s.do("POST", "/batch", `{"operations":[{"method":"PUT","path":"/user/ann/settings","body":{}},`+
		`{"method":"PUT","path":"/user/bob/settings","body":{}},{"method":"GET","path":"/user/%61nn/settings"},`+
		`{"method":"POST","path":"/user/ann/events/cookie"}]}`, isJSON, s.user("ann"))
	var answer struct{ Results []result }
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var statuses []int
	for _, r := range answer.Results {
		statuses = append(statuses, r.Status)
	}
	if !slices.Equal(statuses, []int{200, 404, 200, 404}) {
		t.Errorf("the results are %v", statuses)
	}
}

// TestErasureShowsNothing: a service that may only erase gets no document by a precondition.
func TestErasureShowsNothing(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	if a := s.do("PUT", "/user/ann/settings", `{"secret":1}`, isJSON, s.user("ann")); a.status != http.StatusOK {
		t.Fatal(a)
	}
	for header, shown := range map[string]bool{s.service("users:erase"): false, s.user("ann"): true, s.service("admin"): true} {
		a := s.do("DELETE", "/user/ann", "", `If-Match: "7"`, header)
		if a.status != http.StatusPreconditionFailed || strings.Contains(a.body, "secret") != shown {
			t.Errorf("%s: %d %s", header, a.status, a.body)
		}
	}
}

// TestImportIdentity: a line is judged as the write that it is, while the import goes on.
func TestImportIdentity(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	const lines = `{"user":"ann","settings":{}}` + "\n" + `{"user":"bob","settings":{}}` + "\n"
	a := s.do("POST", "/users/import", lines, "Content-Type: application/x-ndjson", s.service("settings:write"))
	if a.status != http.StatusOK || !strings.Contains(a.body, `"applied":2`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	for want, id := range map[string]*access.Identity{
		"unauthenticated": {Kind: access.Service, Scopes: access.Admin, App: access.DefaultApp},
		"forbidden":       {Kind: access.Service, Scopes: access.UsersList, App: access.DefaultApp},
		"not-found":       {Kind: access.User, Subject: "ann", App: access.DefaultApp},
		"":                {Kind: access.User, Subject: "bob", App: access.DefaultApp},
	} {
		if got := s.api.Judge(id, "bob", want != "unauthenticated"); got != want {
			t.Errorf("it is %q, not %q", got, want)
		}
	}
}

// TestUnlistedRoute: a route that the table doesn't have can't be served.
func TestUnlistedRoute(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	handler := func(*fiber.Ctx) error { return nil }
	for name, add := range map[string]func(*fiber.App){
		"unknown path":   func(app *fiber.App) { app.Get("/secrets", handler) },
		"unknown method": func(app *fiber.App) { app.Put("/users", handler) },
		"all methods":    func(app *fiber.App) { app.All("/users", handler) },
		"a middleware":   func(app *fiber.App) { app.Use("/users", handler) },
	} {
		if err := s.api.Guard(add); err == nil || !strings.Contains(err.Error(), "internal/access/routes.go") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.api.Guard(func(app *fiber.App) { app.Get("/users", handler) }); err != nil {
		t.Error(err)
	}
}

// TestAuthConfig: what contradicts itself is refused at the start.
func TestAuthConfig(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	full := func(c *api.Config) {
		c.JWTIssuer, c.JWTAudience, c.JWTKeys = issuer, []string{audience}, "/a/file"
	}
	for name, c := range map[string]struct {
		change func(*api.Config)
		wrong  string
	}{
		"nothing":              {func(*api.Config) {}, ""},
		"JWTs":                 {full, ""},
		"required":             {func(c *api.Config) { c.Auth = "required" }, ""},
		"required, everywhere": {func(c *api.Config) { c.Auth, c.HTTPAddr = "required", "0.0.0.0:0" }, ""},
		"JWTs, everywhere":     {func(c *api.Config) { full(c); c.HTTPAddr = "0.0.0.0:0" }, ""},
		"none":                 {func(c *api.Config) { c.Auth = "none" }, ""},
		"none and JWTs":        {func(c *api.Config) { full(c); c.Auth = "none" }, "AUTH=none"},
		"none and a claim":     {func(c *api.Config) { c.Auth, c.JWTUserClaim = "none", "uid" }, "AUTH=none"},
		"another":              {func(c *api.Config) { c.Auth = "jwt" }, "AUTH"},
		"no audience":          {func(c *api.Config) { full(c); c.JWTAudience = nil }, "JWT_AUDIENCE"},
		"no issuer":            {func(c *api.Config) { full(c); c.JWTIssuer = "" }, "JWT_ISSUER"},
		"only a claim":         {func(c *api.Config) { c.JWTScopeClaim = "scp" }, "JWT_ISSUER"},
		"keys over http":       {func(c *api.Config) { full(c); c.JWTKeys = "http://id.example.org/" }, "JWT_JWKS"},
		"a negative rate":      {func(c *api.Config) { c.UserRate = -1 }, "USER_RATE"},
		"nothing, everywhere":  {func(c *api.Config) { c.HTTPAddr = "0.0.0.0:0" }, "AUTH=required"},
		"a claim of the usual": {func(c *api.Config) { c.JWTUserClaim = "sub" }, ""},
	} {
		config := apiConfig
		c.change(&config)
		a, err := api.Listen(s.connections(), config, s.log.Logger())
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			s.run(a.Run)()
		}
	}
}

// TestWhoFailed: the log says who failed to authenticate, and not by which proxy.
func TestWhoFailed(t *testing.T) {
	t.Parallel()
	s := newSecured(t, func(c *api.Config) { c.TrustedProxies = []string{"127.0.0.0/8"} })
	s.do("GET", "/user/ann/settings", "", "X-Forwarded-For: 203.0.113.9", "X-Request-ID: mine")
	want := `msg="authentication failed" request_id=mine method=GET path=/user/ann/settings client=203.0.113.9 `
	eventually(t, "it is logged", func() bool { return strings.Contains(s.log.String(), want) })
}
