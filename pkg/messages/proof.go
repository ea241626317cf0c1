package messages

import (
	"crypto/rand"
	"crypto/sha256"
)

// Who hears the replies to others also learns where they go, and can have a worker answer a request
// of its own there. So a reply proves which request it answers, and the proof tells nobody how to
// make another request with the same one.

// proofSize is how many bytes a proof has, and a secret of [NewSecret].
const proofSize = 16

// NewSecret returns a secret for one request.
func NewSecret() []byte {
	secret := make([]byte, proofSize)
	_, _ = rand.Read(secret) // never fails
	return secret
}

// Proof is what each reply to the request has to have: a hash of the secret, or nil without one.
func (r *Request) Proof() []byte {
	if len(r.Secret) == 0 {
		return nil
	}
	hash := sha256.Sum256(r.Secret)
	return hash[:proofSize]
}
