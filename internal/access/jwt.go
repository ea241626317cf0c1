package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// leeway is how far the clocks of the identity provider and of this machine may be apart.
	leeway = 30 * time.Second
	// maxHeader is how many characters a token's header may have. Those of providers have 300.
	maxHeader = 2 << 10
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
	ScopeClaim string   // the claim that has a service's scopes; "": all tokens are users'
}

// verifier verifies JWTs (RFC 7519, RFC 8725).
type verifier struct {
	config JWT
	keys   *keys
	parser *jwt.Parser
	claims *jwt.Validator
}

func newVerifier(config JWT, log *slog.Logger) (*verifier, error) {
	if config.UserClaim == "" {
		config.UserClaim = "sub"
	}
	k, err := newKeys(config.JWKS, log)
	if err != nil {
		return nil, err
	}
	return &verifier{config, k, jwt.NewParser(jwt.WithStrictDecoding()), jwt.NewValidator(
		jwt.WithLeeway(leeway), jwt.WithExpirationRequired(), jwt.WithIssuer(config.Issuer),
		jwt.WithAudience(config.Audience...),
	)}, nil
}

// verify returns whose token it is. Its error is [RefusedError] or [ErrUnavailable].
//
// The signature is checked before the claims are read: reading those that somebody made up may cost
// a hundred times as much as their signature. So the parser is told not to check it once more: for
// ES256 that would be half the cost of a new token.
func (v *verifier) verify(ctx context.Context, token string) (*Identity, error) {
	key, err := v.checkSignature(ctx, token)
	if err != nil {
		return nil, err
	}
	claims := jwt.MapClaims{}
	if _, _, err := v.parser.ParseUnverified(token, claims); err != nil {
		return nil, reasonOf(err)
	}
	takeClientID(claims)
	if err := v.claims.Validate(claims); err != nil {
		return nil, reasonOf(err)
	}
	if !validTimes(claims) {
		return nil, RefusedError{Claims, "a time in it is out of range"}
	}
	id, err := v.identity(claims)
	if err != nil {
		return nil, err
	}
	id.key = key
	return id, nil
}

// header is what counts of a token's header. Where it says that its key is (jku, jwk, x5u, x5c) is
// ignored.
type header struct {
	Algorithm string          `json:"alg"`
	Key       *string         `json:"kid"`
	Type      *string         `json:"typ"`
	Critical  json.RawMessage `json:"crit"`
}

// checkSignature returns the key that the token is signed with.
func (v *verifier) checkSignature(ctx context.Context, token string) (*key, error) {
	head, rest, _ := strings.Cut(token, ".")
	claims, signature, ok := strings.Cut(rest, ".")
	if !ok || len(head) > maxHeader || strings.Contains(signature, ".") {
		return nil, errMalformed
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(head)
	if err != nil {
		return nil, errMalformed
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, errMalformed
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	binary, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil {
		return nil, errMalformed
	}
	id := ""
	if h.Key != nil {
		id = *h.Key
	}
	key, err := v.keys.find(ctx, id, h.Algorithm)
	if err != nil {
		return nil, err
	}
	signed := token[:len(head)+1+len(claims)]
	if jwt.GetSigningMethod(h.Algorithm).Verify(signed, binary, key.public) != nil {
		return nil, RefusedError{Signature, "its signature is wrong"}
	}
	return key, nil
}

// check refuses tokens that are for something else, and those whose meaning depends on an extension
// (crit, RFC 7515 section 4.1.11).
func (h *header) check() error {
	switch {
	case !slices.Contains(algorithms, h.Algorithm):
		return RefusedError{Malformed, "its algorithm is not allowed"}
	case h.Critical != nil:
		return RefusedError{Malformed, "it needs an extension"}
	case h.Type == nil:
		return nil
	}
	switch strings.TrimPrefix(strings.ToLower(*h.Type), "application/") {
	case "jwt", "at+jwt":
		return nil
	}
	return RefusedError{Malformed, "it is of another type"}
}

// validTimes tells whether the token's times are within what a double counts exactly, in seconds.
// The parser takes an nbf far beyond that for the past.
func validTimes(claims jwt.MapClaims) bool {
	for _, name := range []string{"exp", "nbf", "iat"} {
		if t, ok := claims[name].(float64); ok && (t < 0 || t > 1<<53) {
			return false
		}
	}
	return true
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

// identity returns whose claims these are: those of a service if the claim for scopes has one of
// ours, else those of a user.
func (v *verifier) identity(claims jwt.MapClaims) (*Identity, error) {
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return nil, RefusedError{Claims, "it has no exp"}
	}
	id := &Identity{Kind: User, App: DefaultApp, Expires: expires.Time}
	if jti, _ := claims["jti"].(string); len(jti) <= maxTokenID && isPrintable(jti) {
		id.Token = jti
	}
	if v.config.ScopeClaim != "" {
		id.Scopes = scopesOf(claims[v.config.ScopeClaim])
	}
	if id.Scopes == 0 {
		id.Subject, _ = claims[v.config.UserClaim].(string)
	} else {
		id.Kind = Service
		id.Subject = firstText(claims, "sub", "client_id", "azp")
	}
	if !validSubject(id.Subject) {
		return nil, RefusedError{Claims, "it has no subject that can be used"}
	}
	return id, nil
}

// scopesOf returns those of our scopes that a claim has: a list separated by spaces (RFC 8693
// section 4.2), or an array. Others are of other services.
func scopesOf(claim any) (all Scope) {
	switch claim := claim.(type) {
	case string:
		for name := range strings.SplitSeq(claim, " ") { // no other white space
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

// validSubject tells whether a claim can be a user's id. U+FFFD can't be in one: the decoder makes
// it of whatever is no character, so that different claims would become the same user.
func validSubject(s string) bool {
	return s != "" && len(s) <= maxSubject && !strings.ContainsRune(s, utf8.RuneError) &&
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
	reason RefusedError
}{
	{jwt.ErrTokenExpired, errExpired},
	{jwt.ErrTokenNotValidYet, RefusedError{Claims, "it is not valid yet"}},
	{jwt.ErrTokenInvalidIssuer, RefusedError{Claims, "its issuer is another"}},
	{jwt.ErrTokenInvalidAudience, RefusedError{Claims, "it is for another audience"}},
	{jwt.ErrTokenRequiredClaimMissing, RefusedError{Claims, "a claim is missing"}},
	{jwt.ErrTokenInvalidClaims, RefusedError{Claims, "a claim is not what it should be"}},
	{jwt.ErrInvalidType, RefusedError{Claims, "a claim is not what it should be"}},
	{
		jwt.ErrTokenSignatureInvalid,
		RefusedError{Signature, "its signature or its algorithm is wrong"},
	},
	{jwt.ErrTokenMalformed, errMalformed},
}

func reasonOf(err error) error {
	var refused RefusedError
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
	return errMalformed
}
