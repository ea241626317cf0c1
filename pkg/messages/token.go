package messages

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Token is a service token as the workers keep it: without the secret.
//
// ActionCreateToken sets ID, Name, Hash, Scopes, App and Expires; the others are the workers'.
type Token struct {
	// ID names the token in lists, in logs and in the history. It is no secret.
	ID string `cbor:"1,keyasint"`
	// Name is what its maker calls it, from 1 to [MaxTokenName] bytes.
	Name string `cbor:"2,keyasint,omitempty"`
	// Hash is the SHA-256 of the whole token. The secret in it has 256 random bits, so a hash that
	// takes long would protect nothing more.
	Hash []byte `cbor:"3,keyasint,omitempty"`
	// Scopes are what it may be used for, from 1 to [MaxScopes]. The workers only keep them.
	Scopes []string `cbor:"4,keyasint,omitempty"`
	// App is the application that it is for; today always [DefaultApp].
	App string `cbor:"5,keyasint,omitempty"`
	// Created is when it was made, in milliseconds since 1970 (UTC), and CreatedBy by whom; nil:
	// not known.
	Created   int64  `cbor:"6,keyasint,omitempty"`
	CreatedBy *Actor `cbor:"7,keyasint,omitempty"`
	// Expires is when it ceases to be valid, in milliseconds since 1970 (UTC); zero: never.
	Expires int64 `cbor:"8,keyasint,omitempty"`
	// LastUsed is about when it was last used, in milliseconds since 1970 (UTC); zero: never.
	LastUsed int64 `cbor:"9,keyasint,omitempty"`
}

// TokenUse says when a token was last used, for ActionUsedTokens.
type TokenUse struct {
	ID   string `cbor:"1,keyasint"`
	Time int64  `cbor:"2,keyasint"` // in milliseconds since 1970 (UTC)
}

const (
	// DefaultApp is the one application that there is today.
	DefaultApp = "default"
	// TokenPrefix begins every service token, so that whoever finds one, a scanner of source code
	// for instance, knows what it is.
	TokenPrefix = "outset_"
	// AdminScope is the name of the scope that allows everything.
	AdminScope = "admin"
	// AdminTokenPrefix begins the ids of tokens that the workers' configuration has (ADMIN_TOKEN).
	// No other token has such an id.
	AdminTokenPrefix = "admin"

	tokenIDBytes = 8  // of an id, 16 characters
	secretBytes  = 32 // of a secret, 64 characters
	adminIDChars = 16
)

// NewToken returns a new random token, which is "outset_", the id, "_" and the secret. They have no
// other characters, so that a double click selects all of it.
func NewToken() (token, id string) {
	random := make([]byte, tokenIDBytes+secretBytes)
	_, _ = rand.Read(random) // it never fails
	id = hex.EncodeToString(random[:tokenIDBytes])
	return TokenPrefix + id + "_" + hex.EncodeToString(random[tokenIDBytes:]), id
}

// HashToken returns the [Token.Hash] of a token.
func HashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// AdminTokenID is the id of a token that is configured.
func AdminTokenID(hash []byte) string {
	return (AdminTokenPrefix + hex.EncodeToString(hash))[:adminIDChars]
}

// configuredToken is what a token that an operator makes up must look like.
var configuredToken = regexp.MustCompile(`^` + TokenPrefix + `[A-Za-z0-9]+_[A-Za-z0-9]{32,128}$`)

// CheckConfiguredToken returns what is wrong with a token that was not made by [NewToken]. The
// error doesn't have the token.
func CheckConfiguredToken(token string) error {
	if !configuredToken.MatchString(token) {
		return fmt.Errorf("it must be %sNAME_SECRET with a random secret of 32 to 128 letters "+
			"and digits", TokenPrefix)
	}
	return nil
}

var (
	tokenID   = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	scopeName = regexp.MustCompile(`^[a-z:]{1,16}$`)
	appName   = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// checkTokens checks what the actions about tokens need.
func (o *Operation) checkTokens() error {
	switch o.Action {
	case ActionCreateToken:
		return o.Token.checkNew()
	case ActionRevokeToken:
		if o.Token == nil || !tokenID.MatchString(o.Token.ID) {
			return errNoTokenID
		}
	case ActionUsedTokens:
		return checkUses(o.Uses)
	}
	return nil
}

var errNoTokenID = errors.New("a token's id is 1 to 64 letters and digits")

func (t *Token) checkNew() error {
	switch {
	case t == nil || !tokenID.MatchString(t.ID) || strings.HasPrefix(t.ID, AdminTokenPrefix):
		return fmt.Errorf("%w that don't begin with %q", errNoTokenID, AdminTokenPrefix)
	case strings.TrimSpace(t.Name) == "":
		return errors.New("the token has no name")
	case len(t.Hash) != sha256.Size:
		return errors.New("the token's hash is no SHA-256")
	case len(t.Scopes) == 0 || len(t.Scopes) > MaxScopes:
		return fmt.Errorf("a token has 1 to %d scopes", MaxScopes)
	case !appName.MatchString(t.App):
		return errors.New("the token's application is not a name")
	case !validMillis(t.Expires):
		return errors.New("the token expires at an impossible time")
	}
	for _, scope := range t.Scopes {
		if !scopeName.MatchString(scope) {
			return errors.New("a scope of the token is not a name")
		}
	}
	return checkText("the token's name", t.Name, MaxTokenName)
}

func checkUses(uses []TokenUse) error {
	if len(uses) == 0 || len(uses) > MaxUses {
		return fmt.Errorf("the uses of 1 to %d tokens are reported at once", MaxUses)
	}
	for _, u := range uses {
		if !tokenID.MatchString(u.ID) {
			return errNoTokenID
		}
		if u.Time == 0 || !validMillis(u.Time) {
			return errors.New("a token was used at an impossible time")
		}
	}
	return nil
}
