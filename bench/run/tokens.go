package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/outset-settings/outset/bench/load"
)

const (
	authRequired = "AUTH=required"
	// maxTokens is how many users may have a token, since the load generator keeps them all.
	maxTokens = 50_000
	issuer    = "https://id.example.org/realms/bench"
	audience  = "settings"
)

// requireTokens gives each user a JWT if the side is to ask for them, and returns the settings of
// the API for it. The tokens have the claims of Keycloak's and 650 bytes.
func (l *lab) requireTokens(s *side) (env []string, err error) {
	if !slices.Contains(s.env, authRequired) {
		return nil, nil
	}
	if l.Users > maxTokens {
		return nil, fmt.Errorf("%s: --users must be %d at most", authRequired, maxTokens)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	jwk, err := jwkset.NewJWKFromKey(private.Public(), jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{KID: "bench", ALG: jwkset.AlgES256, USE: jwkset.UseSig},
	})
	if err != nil {
		return nil, err
	}
	keys, err := json.Marshal(jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{jwk.Marshal()}})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(l.dir, s.label()+"-jwks.json")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		return nil, err
	}
	now := time.Now()
	for n := range l.Users {
		token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"iss": issuer, "aud": audience, "sub": load.User(n), "typ": "Bearer", "azp": "web",
			"iat": now.Unix(), "exp": now.Add(24 * time.Hour).Unix(), "jti": fmt.Sprintf("%032d", n),
			"sid": fmt.Sprintf("%032d", n), "scope": "openid profile email", "email_verified": true,
			"name": "Somebody Else", "preferred_username": load.User(n),
			"email": load.User(n) + "@example.org",
		})
		token.Header["kid"] = "bench"
		text, err := token.SignedString(private)
		if err != nil {
			return nil, err
		}
		s.tokens = append(s.tokens, text)
	}
	return []string{"JWT_ISSUER=" + issuer, "JWT_AUDIENCE=" + audience, "JWT_JWKS=" + file}, nil
}
