package messages

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// Changed says that a user's document has a new version. Workers publish it on [ChangedSubject]
// after the commit, for whoever subscribes. NATS keeps nothing, so it may be lost, come twice or
// out of order: whoever must not miss a change also reads the version now and then
// ([ActionReadNumber]). It is a hint and no more: what the database says is true, also where that
// is an earlier version.
type Changed struct {
	Version  int64 `cbor:"1,keyasint"`
	Modified int64 `cbor:"2,keyasint,omitempty"` // when it was made, in microseconds since 1970 (UTC)
	Absent   bool  `cbor:"3,keyasint,omitempty"` // the document was deleted, or the user erased
}

// ChangedSubject is where the changes of a user are published. The id is in base64url (RFC 4648
// section 5) without padding, since ids may have dots, spaces and wildcards in them.
func ChangedSubject(user string) string {
	return "settings.v1.changed." + base64.RawURLEncoding.EncodeToString([]byte(user))
}

// EncodeChanged returns the bytes on the wire.
func EncodeChanged(c Changed) ([]byte, error) { return encoder.Marshal(c) }

// DecodeChanged reads what EncodeChanged wrote. It fails if no worker can have made such a change.
func DecodeChanged(data []byte) (Changed, error) {
	var c Changed
	if err := decoder.Unmarshal(data, &c); err != nil {
		return Changed{}, fmt.Errorf("not a change: %w", err)
	}
	if c.Version < 1 || !validMicros(c.Modified) {
		return Changed{}, errors.New("not a change: its version or its time is impossible")
	}
	return c, nil
}
