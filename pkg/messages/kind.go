package messages

// Kind is the one name that a failure has, from where it arises to the HTTP
// problem it becomes. Kinds are on the wire and in public URLs: append only.
type Kind string

// The kinds that travel between worker and sender.
const (
	// KindMalformed: not what it claims to be: no JSON, no CBOR, an impossible user id.
	KindMalformed Kind = "malformed"
	// KindInvalid: well-formed JSON, but not a settings document.
	KindInvalid Kind = "invalid-document"
	// KindTooLarge: the document exceeds the worker's limit, or [MaxDocument].
	KindTooLarge Kind = "too-large"
	// KindIDReused: another write of this user had the same operation id.
	KindIDReused Kind = "idempotency-key-reused"
	// KindOverloaded: the worker's queue is full. Another worker's may not be.
	KindOverloaded Kind = "overloaded"
	// KindUnavailable: no worker, or the database can't be reached.
	KindUnavailable Kind = "unavailable"
	// KindExpired: the deadline passed before the operation was applied.
	KindExpired Kind = "deadline-exceeded"
	// KindOutcomeUnknown: the write may have been applied or may yet be. Sending it again with the
	// same operation id is safe, and finds out.
	KindOutcomeUnknown Kind = "outcome-unknown"
	// KindInternal: a defect of the service. The worker's log has the details.
	KindInternal Kind = "internal"
	// KindNotFound: there is no value at the path, or no such version in the history.
	KindNotFound Kind = "not-found"
	// KindPrecondition: [Operation.If] does not hold. The result has the current document.
	KindPrecondition Kind = "precondition-failed"
	// KindNotApplicable: the patch, or the path to a new value, does not fit the current document.
	KindNotApplicable Kind = "patch-not-applicable"
	// KindUnknownAction: this worker is older than the sender. Another may know the action.
	KindUnknownAction Kind = "unknown-action"
	// KindViolation: the document that the write would make breaks the schema. The result has the
	// violations.
	KindViolation Kind = "schema-violation"
	// KindInvalidSchema: not a JSON Schema, or one that isn't accepted.
	KindInvalidSchema Kind = "invalid-schema"
	// KindTooManyTokens: there are [MaxServiceTokens] valid ones already.
	KindTooManyTokens Kind = "too-many-tokens"
)

// AllKinds are all of them.
var AllKinds = []Kind{
	KindMalformed, KindInvalid, KindTooLarge, KindIDReused, KindOverloaded, KindUnavailable,
	KindExpired, KindOutcomeUnknown, KindInternal, KindNotFound, KindPrecondition,
	KindNotApplicable, KindUnknownAction, KindViolation, KindInvalidSchema, KindTooManyTokens,
}

// kinds has the failures that are not the fault of what was asked. All others, and those that this
// program does not know, have no row: they are neither temporary nor the service's fault.
var kinds = map[Kind]struct {
	temporary bool // surely not applied, and a retry may succeed
	service   bool // a fault of the service, which its operators want to see
}{
	KindOverloaded:     {temporary: true, service: true},
	KindUnavailable:    {temporary: true, service: true},
	KindExpired:        {temporary: true},
	KindOutcomeUnknown: {service: true},
	KindInternal:       {service: true},
}

// Temporary reports whether the operation was surely not applied and a retry may succeed.
func (k Kind) Temporary() bool { return kinds[k].temporary }

// ServiceFault reports whether the failure is due to the service and not to what was asked.
func (k Kind) ServiceFault() bool { return kinds[k].service }

// Retryable reports whether sending the same operation again, with the same id, may succeed: it is
// [Kind.Temporary], or nobody knows what became of it.
func (k Kind) Retryable() bool { return k.Temporary() || k == KindOutcomeUnknown }

// AfterUnknown is what the result of a write means when an earlier attempt with the same id had no
// answer. A refusal of this attempt says nothing about that one, which may have been applied or may
// yet be: the outcome is unknown, unless the refusal is [Result.Fenced]. Success is certain, and so
// is that the id belongs to another write.
//
// Two places have a rule of their own, because they may not import this package:
// pkg/store/failure.go for what Postgres answers, and client/retry.go for what the API answers.
func (k Kind) AfterUnknown() Kind {
	if k == "" || k == KindIDReused {
		return k
	}
	return KindOutcomeUnknown
}
