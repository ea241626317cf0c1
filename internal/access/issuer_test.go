package access_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/testlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ample is far more time than anything takes.
const ample = 3 * time.Minute

const (
	issuerName = "https://id.example.org/"
	audience   = "https://settings.example.org"
)

// signer is a private key with its id and its algorithm.
type signer struct {
	id      string
	method  jwt.SigningMethod
	private crypto.Signer
}

// rsaKey is made once, because that takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newES256(t testing.TB, id string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{id, jwt.SigningMethodES256, key}
}

func newRS256(id string) *signer { return &signer{id, jwt.SigningMethodRS256, rsaKey()} }

func newEdDSA(t testing.TB, id string) *signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{id, jwt.SigningMethodEdDSA, key}
}

// sign returns a token with these claims. The header is the usual one with changes; nil removes.
func (s *signer) sign(t testing.TB, claims jwt.MapClaims, header map[string]any) []byte {
	t.Helper()
	token := jwt.NewWithClaims(s.method, claims)
	token.Header["kid"] = s.id
	for name, value := range header {
		if token.Header[name] = value; value == nil {
			delete(token.Header, name)
		}
	}
	text, err := token.SignedString(s.private)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text)
}

// jwk is the public key as the provider publishes it.
func (s *signer) jwk(t testing.TB) jwkset.JWKMarshal {
	t.Helper()
	jwk, err := jwkset.NewJWKFromKey(s.private.Public(), jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{
			KID: s.id, ALG: jwkset.ALG(s.method.Alg()), USE: jwkset.UseSig,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return jwk.Marshal()
}

func jwks(t testing.TB, signers ...*signer) []byte {
	t.Helper()
	var set jwkset.JWKSMarshal
	for _, s := range signers {
		set.Keys = append(set.Keys, s.jwk(t))
	}
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// provider publishes keys over HTTP.
type provider struct {
	*httptest.Server

	mu   sync.Mutex
	body []byte
	read int
}

func newProvider(t testing.TB, body []byte) *provider {
	t.Helper()
	p := &provider{body: body}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read++
	_, _ = w.Write(p.body)
}

func (p *provider) publish(body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body = body
}

func (p *provider) readings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read
}

// run runs an authenticator until the test ends. change may set its pace before.
func run(t testing.TB, config access.Config, change ...func(*access.Authenticator)) *access.Authenticator {
	t.Helper()
	if config.Log == nil {
		config.Log = (&testlog.Buffer{}).Logger()
	}
	a, err := access.New(config)
	if err != nil {
		t.Fatal(err)
	}
	a.Pace(ample, time.Millisecond)
	for _, f := range change {
		f(a)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return a
}

// usual are the claims of a user's token, with changes; nil removes.
func usual(changes jwt.MapClaims) jwt.MapClaims {
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": issuerName, "aud": audience, "sub": "ann", "jti": "token-1",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func usualJWT(where string) *access.JWT {
	return &access.JWT{
		Issuer: issuerName, Audience: []string{"another", audience}, JWKS: where, ScopeClaim: "scope",
	}
}
