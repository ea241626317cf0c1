package access

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
)

const (
	// A key that is withdrawn counts for so long at most.
	keysEvery = 5 * time.Minute
	keysRetry = 10 * time.Second
	// maxKeys is how many keys of a set are used.
	maxKeys = 100
	// minRSA is the least size of an RSA key in bits (RFC 7518 section 3.3).
	minRSA = 2048
)

// algorithms are those that a token may be signed with: with a private key only, so that nobody can
// use what is public as the secret of an HMAC (RFC 8725 section 2.1).
var algorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// key is a public key for signatures. It is one and the same from the reading of the source that
// had it first to the one that has it no more.
type key struct {
	id        string
	public    crypto.PublicKey
	algorithm string // the only one that it is for; "": any that fits its type
}

// keySet is what one reading of the source had, by id.
type keySet map[string]*key

// keys are the keys of the identity provider.
type keys struct {
	*refresher

	current atomic.Pointer[keySet]
}

// has tells whether a key was in what was read last. What was verified with one that is gone counts
// no more.
func (k *keys) has(key *key) bool { return (*k.current.Load())[key.id] == key }

func newKeys(where string, log *slog.Logger) (*keys, error) {
	read, err := source(where)
	if err != nil {
		return nil, err
	}
	k := &keys{}
	k.refresher = newRefresher("the keys in JWT_JWKS", log, func(ctx context.Context) error {
		data, err := read(ctx)
		if err != nil {
			return err
		}
		return k.take(data)
	})
	k.every, k.retry = keysEvery, keysRetry
	return k, nil
}

// take replaces the keys by those of a JWKS.
func (k *keys) take(data []byte) error {
	next, skipped, err := parseKeys(data)
	if err != nil {
		return err
	}
	if skipped != nil {
		k.log.Info("some keys in JWT_JWKS are not used", "reason", skipped)
	}
	if before := k.current.Load(); before != nil {
		for id, now := range next {
			if old := (*before)[id]; old != nil && old.algorithm == now.algorithm &&
				equal(old.public, now.public) {
				next[id] = old
			}
		}
	}
	k.current.Store(&next)
	return nil
}

func equal(a, b crypto.PublicKey) bool {
	public, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(b)
}

// parseKeys returns the keys of a JWKS (RFC 7517) that a token may be signed with. It skips the
// others, and returns why. A set without any is an error, since it is surely a mistake.
func parseKeys(data []byte) (set keySet, skipped, _ error) {
	var all jwkset.JWKSMarshal
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, nil, fmt.Errorf("it is not a JWKS: %w", err)
	}
	set = make(keySet)
	for _, m := range all.Keys {
		public, err := publicKey(m)
		switch _, twice := set[m.KID]; {
		case err == nil && twice:
			err = errors.New("its kid occurs twice")
		case len(set) == maxKeys:
			err = fmt.Errorf("there are more than %d", maxKeys)
		}
		if err != nil {
			skipped = fmt.Errorf("kid %.100q: %w", m.KID, err)
			continue
		}
		set[m.KID] = &key{m.KID, public, string(m.ALG)}
	}
	if len(set) == 0 {
		return nil, nil, errors.Join(errors.New("it has no key that can be used"), skipped)
	}
	return set, skipped, nil
}

// publicKey returns the public key of a JWK that is for signatures. What it says about certificates
// is ignored: the set is trusted because of where it was read.
func publicKey(m jwkset.JWKMarshal) (crypto.PublicKey, error) {
	switch {
	case m.USE != "" && m.USE != jwkset.UseSig:
		return nil, errors.New("it is not for signatures")
	case m.ALG != "" && !slices.Contains(algorithms, string(m.ALG)):
		return nil, errors.New("its algorithm is not allowed")
	case m.KTY == jwkset.KtyOct:
		return nil, errors.New("it is symmetric")
	}
	m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", ""
	m.D = "" // nobody's private key is kept here
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil, err
	}
	switch public := jwk.Key().(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSA {
			return nil, fmt.Errorf("an RSA key needs %d bits", minRSA)
		}
		return public, nil
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return public, nil
	default:
		return nil, errors.New("its type is not supported")
	}
}

// find returns the key with an id, for a token with this algorithm. If there is none it waits for
// the source to be read again, since providers use a new key as soon as they have published it.
func (k *keys) find(ctx context.Context, id, algorithm string) (*key, error) {
	var found *key
	look := func() bool {
		set := k.current.Load()
		if set == nil {
			return false
		}
		found = (*set)[id]
		if found == nil && id == "" && len(*set) == 1 { // whose else could it be
			for _, only := range *set {
				found = only
			}
		}
		return found != nil
	}
	if !look() {
		if err := k.until(ctx, look, RefusedError{Unknown, "its key is unknown"}); err != nil {
			return nil, err
		}
	}
	if found.algorithm != "" && found.algorithm != algorithm {
		return nil, RefusedError{Signature, "its key is for another algorithm"}
	}
	return found, nil
}
