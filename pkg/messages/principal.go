package messages

import (
	"crypto/sha256"
	"encoding/binary"
)

// PrincipalOf is the number of a principal with this name, the same for every sender. It is a part
// of a cryptographic hash, so that nobody can choose a name that shares with somebody else's.
func PrincipalOf(name string) uint64 {
	hash := sha256.Sum256([]byte(name))
	return binary.LittleEndian.Uint64(hash[:])
}
