package messages

import "time"

// Where the workers listen.
const (
	ReadSubject  = "settings.v1.read"
	WriteSubject = "settings.v1.write"
	QueueGroup   = "workers"

	// ServiceName is what the workers call themselves when the service discovery
	// of the NATS micro protocol asks ($SRV.PING.outset and so on).
	ServiceName = "outset"
)

// Named is the subject on which one worker, by its id, hears what the queue group would
// hear on subject. It is for asking again: a worker that is frozen stays in the
// queue group until the NATS server misses its pings.
func Named(subject, worker string) string { return subject + "." + worker }

// Action is what an operation does. The numbers are on the wire: append only.
type Action uint8

// The actions.
const (
	ActionRead    Action = 1 // the document and its version
	ActionReplace Action = 2 // the whole document becomes Operation.Document
)

// Operation is one user's request: read or change their settings.
type Operation struct {
	Action Action `cbor:"1,keyasint"`
	// User is the id of the user whose settings these are; see [CheckUser].
	User string `cbor:"2,keyasint"`
	// RequestID names the HTTP request in the logs of API and worker.
	RequestID string `cbor:"3,keyasint,omitempty"`
	// Deadline is when the asker stops waiting, in milliseconds since 1970 (UTC).
	// From then on the operation isn't applied any more. Zero: no deadline of its own.
	Deadline int64 `cbor:"4,keyasint,omitempty"`
	// ID tells one write from all the user's others, so that asking again can't
	// apply it twice. Required for writes, at most [MaxID] bytes.
	ID string `cbor:"5,keyasint,omitempty"`
	// Fingerprint is a hash (SHA-256) of what was asked. The same ID with another
	// fingerprint is refused with [KindIDReused].
	Fingerprint []byte `cbor:"6,keyasint,omitempty"`
	// Document is opaque here: it is stored and comes back byte for byte.
	Document []byte `cbor:"7,keyasint,omitempty"`
}

// Expired tells whether the operation's deadline has passed at now.
func (o *Operation) Expired(now time.Time) bool {
	return o.Deadline != 0 && now.UnixMilli() >= o.Deadline
}

// Request is what a NATS message to [ReadSubject] or [WriteSubject] carries.
type Request struct {
	Operations []Operation `cbor:"1,keyasint"`
}

// Result is the answer to one operation.
type Result struct {
	// Kind is empty when the operation was done.
	Kind Kind `cbor:"1,keyasint,omitempty"`
	// Detail says in English what is wrong, for the person who asked.
	Detail string `cbor:"2,keyasint,omitempty"`
	// Version counts the writes that were applied to the user's document; 0: none yet.
	Version int64 `cbor:"3,keyasint,omitempty"`
	// Document is set in the answer to a read.
	Document []byte `cbor:"4,keyasint,omitempty"`
	// Replayed: this write had been applied before, and this is its first answer.
	Replayed bool `cbor:"5,keyasint,omitempty"`
}

// Reply answers a [Request].
type Reply struct {
	// Worker is the id of the worker that answers, as in its service discovery.
	Worker string `cbor:"1,keyasint,omitempty"`
	// Results has one entry for each operation, unless Kind is set.
	Results []Result `cbor:"2,keyasint,omitempty"`
	// Kind, when set, holds for every operation of the request; Results is empty.
	Kind   Kind   `cbor:"3,keyasint,omitempty"`
	Detail string `cbor:"4,keyasint,omitempty"`
}
