package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// MaxToken is how many bytes a token may have: as many as all headers together.
	MaxToken = 8 << 10
	// maxVerified is how many verified tokens are kept, each about 300 bytes.
	maxVerified = 100_000
	// maxRefused is how many refused tokens are kept, each about 80 bytes, and for how long. So a
	// client that repeats a bad token neither waits nor costs a signature each time.
	maxRefused = 10_000
	refusedFor = 5 * time.Second
)

// RefusedError says why a token doesn't count. It is for the log: who sent the token isn't told.
type RefusedError struct {
	Class  Class
	reason string
}

// Class is a class of reasons, for counting.
type Class string

// The classes of reasons.
const (
	Malformed Class = "malformed" // not a token of a kind that is taken
	Unknown   Class = "unknown"   // nobody knows it, or what it is signed with; or it was revoked
	Signature Class = "signature" // it is signed by somebody else
	Expired   Class = "expired"
	Claims    Class = "claims" // it is for somebody else, from somebody else, or for later
)

// Classes are all of them.
var Classes = []Class{Malformed, Unknown, Signature, Expired, Claims}

// Error returns the reason.
func (r RefusedError) Error() string { return "the token is refused: " + r.reason }

var (
	errMalformed = RefusedError{Malformed, "it is malformed"}
	errExpired   = RefusedError{Expired, "it has expired"}
)

// ErrUnavailable tells that a token can't be judged: it isn't known, and it may be new, but the
// keys of the identity provider or the list of tokens can't be read now.
var ErrUnavailable = errors.New("what tokens are judged by can't be read")

// Config says which tokens count.
type Config struct {
	JWT    *JWT   // nil: there are no JWTs
	Static Source // nil: there are no static tokens
	Log    *slog.Logger
}

// Authenticator tells whose a token is.
type Authenticator struct {
	jwt      *verifier
	static   *static
	verified *bounded[Hash, *Identity] // by JWTs
	refused  *bounded[Hash, refusal]
	now      func() time.Time // a test has another one
}

type refusal struct {
	reason RefusedError
	until  time.Time
}

// New returns an authenticator. It knows no token before [Authenticator.Run].
func New(config Config) (*Authenticator, error) {
	a := &Authenticator{
		verified: newBounded[Hash, *Identity](maxVerified),
		refused:  newBounded[Hash, refusal](maxRefused),
		now:      time.Now,
	}
	var err error
	if config.JWT != nil {
		if a.jwt, err = newVerifier(*config.JWT, config.Log); err != nil {
			return nil, err
		}
	}
	if config.Static != nil {
		a.static = newStatic(config.Static, config.Log)
	}
	return a, nil
}

// Run reads keys and static tokens until ctx ends.
func (a *Authenticator) Run(ctx context.Context) {
	var all sync.WaitGroup
	if a.jwt != nil {
		all.Go(func() { a.jwt.keys.run(ctx) })
	}
	if a.static != nil {
		all.Go(func() { a.static.run(ctx) })
	}
	all.Wait()
}

// Authenticate returns whose token it is. The identity must not be changed. The error is
// [RefusedError] or [ErrUnavailable].
//
// A token that was seen before costs a hash. One that isn't known may wait for keys or tokens to be
// read again: about a second, five at most.
func (a *Authenticator) Authenticate(ctx context.Context, token []byte) (*Identity, error) {
	if len(token) > MaxToken {
		return nil, errMalformed
	}
	hash, now := sha256.Sum256(token), a.now()
	if r, ok := a.refused.get(hash); ok && now.Before(r.until) {
		return nil, r.reason
	}
	id, err := a.find(ctx, hash, token, now)
	var reason RefusedError
	if errors.As(err, &reason) {
		a.refused.put(hash, refusal{reason, a.now().Add(refusedFor)})
	}
	return id, err
}

func (a *Authenticator) find(ctx context.Context, hash Hash, token []byte, now time.Time) (
	*Identity, error,
) {
	if bytes.HasPrefix(token, []byte(staticPrefix)) {
		if a.static == nil {
			return nil, RefusedError{Unknown, "there are no static tokens"}
		}
		return a.static.find(ctx, hash, now)
	}
	if a.jwt == nil {
		return nil, RefusedError{Unknown, "there are no JWTs"}
	}
	if id, ok := a.verified.get(hash); ok {
		if expired(id, now) {
			return nil, errExpired
		}
		if a.jwt.keys.has(id.key) {
			return id, nil
		}
	}
	id, err := a.jwt.verify(ctx, string(token))
	if err == nil {
		a.verified.put(hash, id)
	}
	return id, err
}

// expired tells whether the JWT of an identity has expired.
func expired(id *Identity, now time.Time) bool { return !now.Before(id.Expires.Add(leeway)) }

// Valid tells whether an identity's token is valid still: it has neither expired nor been revoked,
// nor is its key withdrawn. A response that has no end asks for it.
func (a *Authenticator) Valid(id *Identity) bool {
	now := a.now()
	if id.static {
		return a.static.lists(id.Token) && (id.Expires.IsZero() || now.Before(id.Expires))
	}
	return id.key != nil && a.jwt.keys.has(id.key) && !expired(id, now)
}

// Ready returns nil if keys and tokens have been read.
func (a *Authenticator) Ready() error {
	if a.jwt != nil && a.jwt.keys.current.Load() == nil ||
		a.static != nil && a.static.list.Load() == nil {
		return ErrUnavailable
	}
	return nil
}

// TakeUsed returns the ids of the static tokens that were used since the last call, and when.
func (a *Authenticator) TakeUsed() map[string]time.Time {
	if a.static == nil {
		return nil
	}
	return a.static.takeUsed()
}
