package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/api"
)

// secured is a system that asks for tokens.
type secured struct {
	*system

	key *ecdsa.PrivateKey

	mu     sync.Mutex
	static map[string]access.StaticToken // by token
}

const (
	issuer   = "https://id.example.org/"
	audience = "settings"
)

// newSecured starts NATS and an API that asks for tokens, of which it has one for each scope and
// one for none.
func newSecured(t testing.TB, change ...func(*api.Config)) *secured {
	t.Helper()
	s := &secured{static: make(map[string]access.StaticToken)}
	for _, scope := range append(access.ScopeNames(), "") {
		s.issue(t, scope)
	}
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	jwk, err := jwkset.NewJWKFromKey(s.key.Public(), jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{KID: "1", ALG: jwkset.AlgES256},
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{jwk.Marshal()}})
	if err != nil {
		t.Fatal(err)
	}
	config := apiConfig
	config.JWTIssuer, config.JWTAudience, config.JWTScopeClaim = issuer, []string{audience}, "scope"
	config.JWTKeys = filepath.Join(t.TempDir(), "jwks.json")
	config.Tokens = s.tokens
	if err := os.WriteFile(config.JWTKeys, set, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&config)
	}
	s.system = newSystem(t, config)
	return s
}

func (s *secured) tokens(context.Context) ([]access.StaticToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.static)), nil
}

// issue makes a static token with these scopes, separated by spaces.
func (s *secured) issue(t testing.TB, scopes string) string {
	t.Helper()
	scope, err := access.ParseScope(strings.Fields(scopes))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.NewReplacer(":", "", " ", "").Replace(scopes)
	text := "outset_" + (name + "0000000000000000")[:16] + "_" + strings.Repeat("s", 43)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.static[text] = access.StaticToken{
		ID: "id-" + name, Hash: sha256.Sum256([]byte(text)), Name: "test " + scopes, Scopes: scope,
	}
	return text
}

func (s *secured) revoke(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.static, text)
}

// service is the header with the token for one scope, or for none.
func (s *secured) service(scope string) string {
	return "Authorization: Bearer " + s.issue(s.t, scope)
}

// user is the header with a token of the user. changes are to its claims; nil removes.
func (s *secured) user(id string, changes ...jwt.MapClaims) string {
	return "Authorization: Bearer " + s.sign(id, changes...)
}

func (s *secured) sign(id string, changes ...jwt.MapClaims) string {
	s.t.Helper()
	claims := jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": id, "exp": time.Now().Add(time.Hour).Unix(), "jti": "jti-" + id,
	}
	for _, c := range changes {
		maps.Copy(claims, c)
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = "1"
	text, err := token.SignedString(s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}
