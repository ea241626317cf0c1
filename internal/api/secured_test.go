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

	key *signingKey

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
	s.key = newSigningKey(t, "1")
	config := apiConfig
	config.JWTIssuer, config.JWTAudience, config.JWTScopeClaim = issuer, []string{audience}, "scope"
	config.JWTKeys = filepath.Join(t.TempDir(), "jwks.json")
	config.Tokens = s.tokens
	if err := os.WriteFile(config.JWTKeys, jwks(t, s.key), 0o600); err != nil {
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
	return s.key.sign(s.t, id, changes...)
}

// signingKey is a key of the identity provider.
type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
}

func newSigningKey(t testing.TB, id string) *signingKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signingKey{id, private}
}

// jwks returns the public halves of keys as a JWKS.
func jwks(t testing.TB, keys ...*signingKey) []byte {
	t.Helper()
	var set jwkset.JWKSMarshal
	for _, k := range keys {
		jwk, err := jwkset.NewJWKFromKey(k.private.Public(), jwkset.JWKOptions{
			Metadata: jwkset.JWKMetadataOptions{KID: k.id, ALG: jwkset.AlgES256},
		})
		if err != nil {
			t.Fatal(err)
		}
		set.Keys = append(set.Keys, jwk.Marshal())
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sign returns a token of the user. changes are to its claims; nil removes.
func (k *signingKey) sign(t testing.TB, id string, changes ...jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": id, "exp": time.Now().Add(time.Hour).Unix(), "jti": "jti-" + id,
	}
	for _, c := range changes {
		maps.Copy(claims, c)
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = k.id
	text, err := token.SignedString(k.private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
