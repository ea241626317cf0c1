package messages

// Kind is the one name that a failure has, from where it arises to the HTTP
// problem it becomes. Kinds are on the wire and in public URLs: append only.
type Kind string

// The kinds that travel between worker and asker.
const (
	// KindMalformed: not what it claims to be: no JSON, no CBOR, an impossible user id.
	KindMalformed Kind = "malformed"
	// KindInvalid: well-formed JSON, but not a settings document.
	KindInvalid Kind = "invalid-document"
	// KindTooLarge: the document is over [MaxDocument] bytes.
	KindTooLarge Kind = "too-large"
	// KindIDReused: another write of this user had the same operation id.
	KindIDReused Kind = "idempotency-key-reused"
	// KindOverloaded: a bounded queue is full. Another worker may have room.
	KindOverloaded Kind = "overloaded"
	// KindUnavailable: no worker, or the database can't be reached.
	KindUnavailable Kind = "unavailable"
	// KindExpired: the deadline passed before the operation was applied.
	KindExpired Kind = "deadline-exceeded"
	// KindOutcomeUnknown: the write may have been applied or may yet be. Asking
	// again with the same operation id is safe and tells.
	KindOutcomeUnknown Kind = "outcome-unknown"
	// KindAskAgain: done, but the result did not fit beside the others. Ask in a new request.
	KindAskAgain Kind = "ask-again"
	// KindInternal: a fault of ours. The worker's log says more.
	KindInternal Kind = "internal"
	// KindNotFound: there is no value at the path, or no such version in the history.
	KindNotFound Kind = "not-found"
	// KindPrecondition: [Operation.If] does not hold. The result has the current document.
	KindPrecondition Kind = "precondition-failed"
	// KindNotApplicable: the patch, or the path to a new value, does not fit the current document.
	KindNotApplicable Kind = "patch-not-applicable"
	// KindUnknownAction: this worker is older than the asker. Another may know the action.
	KindUnknownAction Kind = "unknown-action"
	// KindViolation: the document that the write would make breaks the schema. The result has the
	// violations.
	KindViolation Kind = "schema-violation"
	// KindInvalidSchema: not a JSON Schema, or one that isn't taken.
	KindInvalidSchema Kind = "invalid-schema"
)

// Definite tells whether an operation that failed with this kind was surely not
// applied. A kind that this program does not know yet is taken as not definite.
func (k Kind) Definite() bool {
	switch k {
	case KindMalformed, KindInvalid, KindTooLarge, KindIDReused, KindOverloaded,
		KindUnavailable, KindExpired, KindNotFound, KindPrecondition, KindNotApplicable,
		KindUnknownAction,
		KindViolation, KindInvalidSchema:
		return true
	default:
		return false
	}
}

// Temporary tells whether this is a definite no for now: asking again may go better.
func (k Kind) Temporary() bool {
	switch k {
	case KindOverloaded, KindUnavailable, KindExpired:
		return true
	default:
		return false
	}
}
