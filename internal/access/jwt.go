package access

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// leeway is how far the clocks of the identity provider and of this machine may be apart.
	leeway = 30 * time.Second
	// maxSubject is how many bytes a subject may have: as many as a user id.
	maxSubject = 128
	// maxTokenID is how many bytes a token's id may have. A longer one is as good as none.
	maxTokenID = 128
)

// JWT says which JWTs count.
type JWT struct {
	Issuer     string   // the iss that they must have
	Audience   []string // one of these must be in their aud
	JWKS       string   // where the issuer's keys are: a file, or an address with https
	UserClaim  string   // the claim that has the user's id; "": sub
	ScopeClaim string   // the claim that has the scopes; "": scope
}

// verifier verifies JWTs (RFC 7519, RFC 8725).
type verifier struct {
	config    JWT
	keys      *keys
	parser    *jwt.Parser
	validator *jwt.Validator
}

func newVerifier(config JWT, log *slog.Logger) (*verifier, error) {
	if config.UserClaim == "" {
		config.UserClaim = "sub"
	}
	if config.ScopeClaim == "" {
		config.ScopeClaim = "scope"
	}
	k, err := newKeys(config.JWKS, log)
	if err != nil {
		return nil, err
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding(), jwt.WithLeeway(leeway),
		jwt.WithExpirationRequired(), jwt.WithIssuer(config.Issuer),
		jwt.WithAudience(config.Audience...),
	}
	return &verifier{config, k, jwt.NewParser(options...), jwt.NewValidator(options...)}, nil
}

// verify returns whose token it is, and the generation of the keys that it was verified with. Its
// error is [Refused] or [ErrUnavailable].
func (v *verifier) verify(ctx context.Context, token string) (*Identity, uint64, error) {
	claims := jwt.MapClaims{}
	var generation uint64
	_, err := v.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if err := checkHeader(t.Header); err != nil {
			return nil, err
		}
		takeClientID(claims)
		// Before the signature, which costs more. The parser checks them again.
		if err := v.validator.Validate(claims); err != nil {
			return nil, err
		}
		id, _ := t.Header["kid"].(string)
		public, g, err := v.keys.find(ctx, id, t.Method.Alg())
		generation = g
		return public, err
	})
	if err != nil {
		return nil, 0, reasonOf(err)
	}
	id, err := v.identity(claims)
	return id, generation, err
}

// checkHeader refuses tokens that are for something else, and those whose meaning depends on an
// extension (crit, RFC 7515 section 4.1.11). Where a header says its key is (jku, jwk, x5u, x5c) is
// ignored.
func checkHeader(header map[string]any) error {
	if _, ok := header["crit"]; ok {
		return Refused("it needs an extension")
	}
	if kid, ok := header["kid"]; ok {
		if _, ok := kid.(string); !ok {
			return Refused("its kid is not a string")
		}
	}
	kind, ok := header["typ"]
	if !ok {
		return nil
	}
	name, _ := kind.(string)
	switch strings.TrimPrefix(strings.ToLower(name), "application/") {
	case "jwt", "at+jwt":
		return nil
	}
	return Refused("it is of another type")
}

// takeClientID makes client_id the audience of an access token of Amazon Cognito, which has no aud.
// That is how Amazon says to verify it. A token that has an audience keeps it.
func takeClientID(claims jwt.MapClaims) {
	if _, ok := claims["aud"]; ok || claims["token_use"] != "access" {
		return
	}
	if id, ok := claims["client_id"].(string); ok {
		claims["aud"] = id
	}
}

// identity returns whose claims these are: those of a service if there is a scope of ours among
// them, else those of a user.
func (v *verifier) identity(claims jwt.MapClaims) (*Identity, error) {
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return nil, Refused("it has no exp")
	}
	id := &Identity{Kind: User, App: DefaultApp, Expires: expires.Time}
	if jti, _ := claims["jti"].(string); len(jti) <= maxTokenID && isPrintable(jti) {
		id.Token = jti
	}
	if id.Scopes = scopesOf(claims[v.config.ScopeClaim]); id.Scopes == 0 {
		id.Subject, _ = claims[v.config.UserClaim].(string)
	} else {
		id.Kind = Service
		id.Subject = firstText(claims, "sub", "client_id", "azp")
	}
	if !validSubject(id.Subject) {
		return nil, Refused("it has no subject that can be used")
	}
	return id, nil
}

// scopesOf returns those of our scopes that a claim has: a list separated by spaces (RFC 8693
// section 4.2), or an array. Others are of other services.
func scopesOf(claim any) (all Scope) {
	switch claim := claim.(type) {
	case string:
		for name := range strings.FieldsSeq(claim) {
			all |= scopeOf(name)
		}
	case []any:
		for _, name := range claim {
			if name, ok := name.(string); ok {
				all |= scopeOf(name)
			}
		}
	}
	return all
}

func firstText(claims jwt.MapClaims, names ...string) string {
	for _, name := range names {
		if text, _ := claims[name].(string); text != "" {
			return text
		}
	}
	return ""
}

func validSubject(s string) bool {
	return s != "" && len(s) <= maxSubject && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
		})
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// reasons are what the log says of the errors of the library. Their own texts may have parts of the
// token in them.
var reasons = []struct {
	err    error
	reason Refused
}{
	{jwt.ErrTokenExpired, "it has expired"},
	{jwt.ErrTokenNotValidYet, "it is not valid yet"},
	{jwt.ErrTokenInvalidIssuer, "its issuer is another"},
	{jwt.ErrTokenInvalidAudience, "it is for another audience"},
	{jwt.ErrTokenRequiredClaimMissing, "a claim is missing"},
	{jwt.ErrTokenInvalidClaims, "a claim is not what it should be"},
	{jwt.ErrInvalidType, "a claim is not what it should be"},
	{jwt.ErrTokenSignatureInvalid, "its signature or its algorithm is wrong"},
	{jwt.ErrTokenMalformed, malformed},
}

func reasonOf(err error) error {
	var refused Refused
	switch {
	case errors.Is(err, ErrUnavailable):
		return ErrUnavailable
	case errors.As(err, &refused):
		return refused
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return malformed
}
