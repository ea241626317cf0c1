package access_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/testlog"
)

// TestProviders: tokens as identity providers document them are those of a user, or of a service.
func TestProviders(t *testing.T) {
	t.Parallel()
	ec, rs, ed := newES256(t, "ec-1"), newRS256("rs-1"), newEdDSA(t, "ed-1")
	now := time.Now()
	iat, exp := now.Add(-time.Minute).Unix(), now.Add(time.Hour).Unix()
	for name, c := range map[string]struct {
		signer  *signer
		header  map[string]any
		config  access.JWT
		claims  jwt.MapClaims
		subject string
		scopes  string // of a service
	}{
		// https://www.keycloak.org/docs/latest/server_admin/#_audience: aud needs a mapper
		"Keycloak": {
			signer: rs,
			config: access.JWT{Issuer: "https://kc.example.org/realms/app", Audience: []string{"outset"}},
			claims: jwt.MapClaims{
				"exp": exp, "iat": iat, "auth_time": iat, "jti": "onrtac:6e2a83b5-ec3b-ac5b-b7a3-f1c1a1c0a2f0",
				"iss": "https://kc.example.org/realms/app", "aud": []any{"outset", "account"},
				"sub": "36fa0f91-f94d-4a0c-afed-6b7d952e47da", "typ": "Bearer", "azp": "web",
				"sid": "2a88c258-f73a-4103-b862-e1fbd8f4e04e", "acr": "1",
				"allowed-origins": []any{"https://app.example.org"},
				"realm_access":    map[string]any{"roles": []any{"offline_access", "admin"}},
				"resource_access": map[string]any{"account": map[string]any{"roles": []any{"view-profile"}}},
				"scope":           "openid profile email", "email_verified": true, "preferred_username": "ann",
			},
			subject: "36fa0f91-f94d-4a0c-afed-6b7d952e47da",
		},
		"Keycloak, a service account": {
			signer: rs,
			config: access.JWT{
				Issuer: "https://kc.example.org/realms/app", Audience: []string{"outset"}, ScopeClaim: "scope",
			},
			claims: jwt.MapClaims{
				"exp": exp, "iat": iat, "jti": "trrtcc:1", "iss": "https://kc.example.org/realms/app",
				"aud": "outset", "sub": "5b1b9a4c-8a6e-4f0b-9f5f-0d8d1b0a7c11", "typ": "Bearer",
				"azp": "backend", "scope": "profile settings:read users:list email",
				"clientHost": "10.0.0.1", "preferred_username": "service-account-backend", "client_id": "backend",
			},
			subject: "5b1b9a4c-8a6e-4f0b-9f5f-0d8d1b0a7c11", scopes: "settings:read users:list",
		},
		"scopes of ours, and no claim for them": {
			signer: rs,
			config: access.JWT{Issuer: "https://kc.example.org/realms/app", Audience: []string{"outset"}},
			claims: jwt.MapClaims{
				"exp": exp, "iat": iat, "iss": "https://kc.example.org/realms/app", "aud": "outset",
				"sub": "ann", "scope": "openid admin", "": "admin",
			},
			subject: "ann",
		},
		// https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
		"Auth0": {
			signer: rs,
			config: access.JWT{Issuer: "https://tenant.auth0.com/", Audience: []string{audience}},
			claims: jwt.MapClaims{
				"iss": "https://tenant.auth0.com/", "sub": "auth0|6553da60a54af58e29493993",
				"aud": []any{audience, "https://tenant.auth0.com/userinfo"}, "iat": iat, "exp": exp,
				"azp": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja", "scope": "openid profile email",
				"permissions": []any{"read:things"},
			},
			subject: "auth0|6553da60a54af58e29493993",
		},
		"Auth0, of RFC 9068, for a machine": {
			signer: rs, header: map[string]any{"typ": "at+jwt"},
			config: access.JWT{
				Issuer: "https://tenant.auth0.com/", Audience: []string{audience}, ScopeClaim: "permissions",
			},
			claims: jwt.MapClaims{
				"iss": "https://tenant.auth0.com/", "sub": "awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients",
				"aud": audience, "iat": iat, "exp": exp, "jti": "BDYlHcWO", "scope": "users:export",
				"client_id": "awZfdIir8YFdGZWkvCejDoUb7SjTDicx", "permissions": []any{"users:export", "admin2"},
			},
			subject: "awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients", scopes: "users:export",
		},
		// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
		"Cognito, an access token": {
			signer: rs, header: map[string]any{"typ": nil},
			config: access.JWT{
				Issuer:   "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_EXAMPLE",
				Audience: []string{"xxxxxxxxxxxxexample"},
			},
			claims: jwt.MapClaims{
				"sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "device_key": "k", "cognito:groups": []any{"admin"},
				"iss": "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_EXAMPLE", "version": 2,
				"client_id": "xxxxxxxxxxxxexample", "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
				"event_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "token_use": "access",
				"scope": "phone openid profile resourceserver.1/appclient2 email", "auth_time": iat,
				"exp": exp, "iat": iat, "jti": "aaaaaaaa", "username": "my-test-user",
			},
			subject: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
		},
		"Cognito, an ID token": {
			signer: rs, header: map[string]any{"typ": nil},
			config: access.JWT{
				Issuer:   "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_EXAMPLE",
				Audience: []string{"xxxxxxxxxxxxexample"}, UserClaim: "cognito:username",
			},
			claims: jwt.MapClaims{
				"sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": []any{"admin"},
				"email_verified": true, "cognito:username": "my-test-user",
				"iss": "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_EXAMPLE",
				"aud": "xxxxxxxxxxxxexample", "token_use": "id", "auth_time": iat, "exp": exp, "iat": iat,
			},
			subject: "my-test-user",
		},
		// https://supabase.com/docs/guides/auth/jwt-fields
		"Supabase": {
			signer: ec,
			config: access.JWT{Issuer: "https://ref.supabase.co/auth/v1", Audience: []string{"authenticated"}},
			claims: jwt.MapClaims{
				"aal": "aal1", "amr": []any{map[string]any{"method": "password", "timestamp": iat}},
				"app_metadata": map[string]any{"provider": "email"}, "aud": "authenticated",
				"email": "ann@example.org", "exp": exp, "iat": iat, "is_anonymous": false,
				"iss": "https://ref.supabase.co/auth/v1", "phone": "", "role": "authenticated",
				"session_id": "b4b3a4b1-3ae4-4d3e-9c8b-8d0b3b0c1a11",
				"sub":        "123e4567-e89b-12d3-a456-426614174000", "user_metadata": map[string]any{},
			},
			subject: "123e4567-e89b-12d3-a456-426614174000",
		},
		// https://firebase.google.com/docs/auth/admin/verify-id-tokens
		"Firebase": {
			signer: rs,
			config: access.JWT{
				Issuer: "https://securetoken.google.com/my-project", Audience: []string{"my-project"},
			},
			claims: jwt.MapClaims{
				"iss": "https://securetoken.google.com/my-project", "aud": "my-project", "auth_time": iat,
				"user_id": "Xk893R23H9SI893", "sub": "Xk893R23H9SI893", "iat": iat, "exp": exp,
				"email": "ann@example.org", "email_verified": true,
				"firebase": map[string]any{
					"identities": map[string]any{"email": []any{"ann@example.org"}}, "sign_in_provider": "password",
				},
			},
			subject: "Xk893R23H9SI893",
		},
		"EdDSA": {
			signer: ed, config: access.JWT{Issuer: issuerName, Audience: []string{audience}},
			claims: usual(nil), subject: "ann",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "jwks.json")
			if err := os.WriteFile(file, jwks(t, ec, rs, ed), 0o600); err != nil {
				t.Fatal(err)
			}
			c.config.JWKS = file
			a := run(t, access.Config{JWT: &c.config})
			token := c.signer.sign(t, c.claims, c.header)
			for range 2 { // verified, and then known
				id, err := a.Authenticate(t.Context(), token)
				if err != nil {
					t.Fatal(err)
				}
				kind := access.User
				if c.scopes != "" {
					kind = access.Service
				}
				if id.Subject != c.subject || id.Kind != kind || id.Scopes.String() != c.scopes ||
					id.App != access.DefaultApp || id.Expires.Unix() != exp || !a.Valid(id) {
					t.Errorf("it is %+v", id)
				}
			}
		})
	}
}

// TestRefused: what is no token of ours is refused, whatever else it is.
func TestRefused(t *testing.T) {
	t.Parallel()
	good, other, rs := newES256(t, "ec-1"), newES256(t, "ec-1"), newRS256("rs-1")
	untold := newES256(t, "ec-2")
	p := newProvider(t, jwks(t, good, rs))
	log := &testlog.Buffer{}
	a := run(t, access.Config{JWT: usualJWT(p.URL), Log: log.Logger()})
	ctx := t.Context()
	now := time.Now()

	text := func(header, claims any, secret ...byte) []byte {
		encode := func(v any) string {
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return base64.RawURLEncoding.EncodeToString(data)
		}
		signing := encode(header) + "." + encode(claims)
		if secret == nil {
			return []byte(signing + ".")
		}
		signature, err := jwt.SigningMethodHS256.Sign(signing, secret)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(signing + "." + base64.RawURLEncoding.EncodeToString(signature))
	}
	valid := string(good.sign(t, usual(nil), nil))
	parts := strings.Split(valid, ".")
	changed := func(claims jwt.MapClaims) []byte { return good.sign(t, usual(claims), nil) }
	withHeader := func(header map[string]any) []byte { return good.sign(t, usual(nil), header) }
	key, err := json.Marshal(rs.jwk(t))
	if err != nil {
		t.Fatal(err)
	}

	for name, token := range map[string][]byte{
		"empty":                        {},
		"no token":                     []byte("hello"),
		"alg none":                     text(map[string]any{"alg": "none", "kid": "ec-1"}, usual(nil)),
		"alg NONE":                     text(map[string]any{"alg": "NONE", "kid": "ec-1"}, usual(nil)),
		"no alg":                       text(map[string]any{"kid": "ec-1"}, usual(nil)),
		"HS256 with the public key":    text(map[string]any{"alg": "HS256", "kid": "rs-1"}, usual(nil), key...),
		"expired":                      changed(jwt.MapClaims{"exp": now.Add(-time.Minute).Unix()}),
		"no exp":                       changed(jwt.MapClaims{"exp": nil}),
		"exp is text":                  changed(jwt.MapClaims{"exp": "tomorrow"}),
		"not valid for ages":           changed(jwt.MapClaims{"nbf": 1e19}),
		"before all times":             changed(jwt.MapClaims{"nbf": -1}),
		"not yet valid":                changed(jwt.MapClaims{"nbf": now.Add(2 * time.Minute).Unix()}),
		"another audience":             changed(jwt.MapClaims{"aud": "https://other.example.org"}),
		"no audience":                  changed(jwt.MapClaims{"aud": nil}),
		"empty audience":               changed(jwt.MapClaims{"aud": []string{}}),
		"client_id is no audience":     changed(jwt.MapClaims{"aud": nil, "client_id": audience}),
		"client_id beside another":     changed(jwt.MapClaims{"aud": "x", "token_use": "access", "client_id": audience}),
		"another issuer":               changed(jwt.MapClaims{"iss": "https://id.example.org"}),
		"no issuer":                    changed(jwt.MapClaims{"iss": nil}),
		"no subject":                   changed(jwt.MapClaims{"sub": nil}),
		"a subject of no characters":   changed(jwt.MapClaims{"sub": "x\ufffd"}),
		"empty subject":                changed(jwt.MapClaims{"sub": ""}),
		"a number as subject":          changed(jwt.MapClaims{"sub": 42}),
		"a control character":          changed(jwt.MapClaims{"sub": "a\nb"}),
		"a long subject":               changed(jwt.MapClaims{"sub": strings.Repeat("a", 129)}),
		"unknown kid":                  untold.sign(t, usual(nil), nil),
		"no kid, and several keys":     withHeader(map[string]any{"kid": nil}),
		"kid is a number":              withHeader(map[string]any{"kid": 1}),
		"another key":                  other.sign(t, usual(nil), nil),
		"another algorithm's key":      good.sign(t, usual(nil), map[string]any{"kid": "rs-1"}),
		"another algorithm":            rs.sign(t, usual(nil), map[string]any{"alg": "PS256"}),
		"a key of its own (jwk)":       other.sign(t, usual(nil), map[string]any{"jwk": other.jwk(t)}),
		"a source of its own (jku)":    untold.sign(t, usual(nil), map[string]any{"jku": "https://evil.example.org"}),
		"a certificate of its own":     untold.sign(t, usual(nil), map[string]any{"x5u": "https://evil.example.org"}),
		"an extension (crit)":          withHeader(map[string]any{"crit": []string{"b64"}, "b64": false}),
		"a logout token":               withHeader(map[string]any{"typ": "logout+jwt"}),
		"typ is a number":              withHeader(map[string]any{"typ": 1}),
		"other claims":                 []byte(parts[0] + "." + parts[1][:len(parts[1])-2] + "fQ." + parts[2]),
		"no signature":                 []byte(parts[0] + "." + parts[1] + "."),
		"two parts":                    []byte(parts[0] + "." + parts[1]),
		"four parts":                   []byte(valid + "."),
		"padding":                      []byte(valid + "="),
		"a space":                      []byte(valid + " "),
		"100,000 dots":                 []byte(strings.Repeat(".", 100_000)),
		"8,192 dots":                   []byte(strings.Repeat(".", access.MaxToken)),
		"too long":                     changed(jwt.MapClaims{"x": strings.Repeat("x", access.MaxToken)}),
		"a static one, without a list": []byte("outset_aaaaaaaaaaaaaaaa_" + strings.Repeat("a", 64)),
	} {
		for range 2 { // judged, and then remembered
			id, err := a.Authenticate(ctx, token)
			var refused access.RefusedError
			if id != nil || !errors.As(err, &refused) {
				t.Errorf("%s: %+v, %v", name, id, err)
			} else if strings.Contains(err.Error(), "ann") || strings.Contains(err.Error(), "ec-1") {
				t.Errorf("%s: the reason has a part of the token: %v", name, err)
			}
		}
	}
	if id, err := a.Authenticate(ctx, []byte(valid)); err != nil || id.Subject != "ann" || id.Token != "token-1" {
		t.Errorf("the good one: %+v, %v", id, err)
	}
	// a minute of another clock is too much, some seconds are not
	for name, claims := range map[string]jwt.MapClaims{
		"just expired": {"exp": now.Add(-10 * time.Second).Unix()},
		"almost valid": {"nbf": now.Add(10 * time.Second).Unix()},
	} {
		if _, err := a.Authenticate(ctx, changed(claims)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTokenIDs: an id that can't go into logs and messages is as good as none.
func TestTokenIDs(t *testing.T) {
	t.Parallel()
	s := newES256(t, "")
	p := newProvider(t, jwks(t, s))
	a := run(t, access.Config{JWT: usualJWT(p.URL)})
	for jti, want := range map[any]string{
		"a:b-1": "a:b-1", strings.Repeat("a", 129): "", "a b": "", "ä": "", 7: "",
	} {
		// no kid fits a set of one key
		id, err := a.Authenticate(t.Context(), s.sign(t, usual(jwt.MapClaims{"jti": jti}), map[string]any{"kid": nil}))
		if err != nil || id.Token != want {
			t.Errorf("%v: %+v, %v", jti, id, err)
		}
	}
}

// TestExpiry: what was verified before expires all the same.
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := newES256(t, "1")
	p := newProvider(t, jwks(t, s))
	now := time.Now()
	a := run(t, access.Config{JWT: usualJWT(p.URL)}, func(a *access.Authenticator) {
		a.SetNow(func() time.Time { return now })
	})
	token := s.sign(t, usual(jwt.MapClaims{"exp": now.Add(time.Minute).Unix()}), nil)
	id, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if verified, _ := a.Cached(); verified != 1 {
		t.Errorf("%d are cached", verified)
	}
	now = now.Add(61 * time.Second)
	if _, err := a.Authenticate(t.Context(), token); err != nil || !a.Valid(id) {
		t.Errorf("within the leeway: %v", err)
	}
	now = now.Add(time.Minute)
	if _, err := a.Authenticate(t.Context(), token); err == nil || a.Valid(id) {
		t.Error("it counts after it has expired")
	}
}

// TestConfig: where keys come from is checked at the start.
func TestConfig(t *testing.T) {
	t.Parallel()
	for where, ok := range map[string]bool{
		"/a/file": true, "file": true, "https://id.example.org/jwks": true,
		"http://127.0.0.1:1/jwks": true, "http://localhost/jwks": true, "http://[::1]/jwks": true,
		"http://id.example.org/jwks": false, "ftp://id.example.org": false, "https://": false,
		"https://user:secret@id.example.org/": false, "http://127.0.0.1.evil.net/": false,
	} {
		_, err := access.New(access.Config{JWT: usualJWT(where)})
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", where, err)
		}
	}
}

// FuzzAuthenticate: no token ends the program, and none but the right one counts.
func FuzzAuthenticate(f *testing.F) {
	s := newES256(f, "ec-1")
	file := filepath.Join(f.TempDir(), "jwks.json")
	if err := os.WriteFile(file, jwks(f, s), 0o600); err != nil {
		f.Fatal(err)
	}
	a := run(f, access.Config{JWT: usualJWT(file)})
	valid := s.sign(f, usual(nil), nil)
	header, _, _ := strings.Cut(string(valid), ".")
	f.Add(valid)
	f.Add([]byte("outset_aaaaaaaaaaaaaaaa_bbb"))
	f.Add([]byte(header + ".e30."))
	f.Add([]byte(`eyJhbGciOiJub25lIn0.e30.`))
	f.Add([]byte("..."))
	f.Fuzz(func(t *testing.T, token []byte) {
		id, err := a.Authenticate(t.Context(), token)
		if (err == nil) != (string(token) == string(valid)) || (id == nil) == (err == nil) {
			t.Error(fmt.Sprintf("%q", token), id, err)
		}
	})
}
