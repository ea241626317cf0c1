package messages

import "time"

// The limits of the contract. Both sides hold them.
const (
	MaxOperations  = 1024      // operations in one request
	MaxDocument    = 512 << 10 // bytes of a document or a patch; workers usually allow less
	MaxUser        = 128       // bytes of a user id
	MaxID          = 255       // bytes of an operation id
	MaxRequestID   = 64        // bytes of a request id
	MaxWorker      = 64        // bytes of a worker's id
	MaxReplyTo     = 256       // bytes of the subject that a reply goes to
	MaxKind        = 64        // bytes of a kind, and of an action's name in the history
	MaxFingerprint = 64        // bytes of a fingerprint
	MaxSecret      = 64        // bytes of a request's secret
	TraceSize      = 24        // bytes of the place in a trace, if there is one
	MaxDetail      = 512       // bytes of a result's detail
	MaxPath        = 4 << 10   // bytes of all tokens of a path
	MaxTokens      = 128       // tokens of a path
	MaxVersions    = 256       // listed in each part of a condition
	MaxEntries     = 128       // of a history in one result
	MaxUsers       = 500       // of a listing in one result
	MaxListing     = 512 << 10 // bytes of them, as [User.Size] counts; more only for one alone
	MaxViolations  = 32        // of one document in one result
	MaxPointer     = 512       // bytes of where a violation is, and of its reason
	MaxDatabase    = 64        // bytes of a position's database

	MaxSubject       = 128  // bytes of an actor's subject
	MaxTokenID       = 64   // bytes of a service token's id, and of the id of an actor's token
	MaxTokenName     = 64   // bytes of a service token's name
	MaxScopes        = 8    // of a service token, 16 bytes each
	MaxServiceTokens = 1000 // that are valid at once; those of the configuration may be more
	MaxUses          = 1000 // of tokens in one operation

	// MinPayload is the least max_payload that the NATS server may have: in a reply
	// to the most operations one result with the largest document must fit.
	MinPayload = 640 << 10
)

// WorkingEvery is how often a worker says that it is at a request, see [Reply.Working].
const WorkingEvery = 100 * time.Millisecond

// Detail cuts a text to [MaxDetail] bytes, at a whole character.
func Detail(text string) string { return cut(text, MaxDetail) }
