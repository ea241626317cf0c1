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
	// ActionsKey is where a worker's metadata in the service discovery has the highest
	// [Action] that it knows, in decimal. A worker without it is taken to know none.
	ActionsKey = "actions"
	// TimeKey is where it has the time by the database's clock, in microseconds since 1970.
	TimeKey = "time"
	// DatabaseKey is where it says that it can't reach its database, and so has left the queue
	// group: [DatabaseLost]. Otherwise it isn't there.
	DatabaseKey  = "database"
	DatabaseLost = "unreachable"
	// StoppingKey is where it says that it is about to end ("true"): it has left the queue group
	// for good and answers what it has taken. Otherwise it isn't there.
	StoppingKey = "stopping"
)

// Where replies go: each role has its own prefix of inboxes, so that a NATS server can keep it from
// hearing what others are answered (deploy/nats-roles.conf). A worker asks nobody.
const (
	APIInbox      = "_INBOX.api"      // of all who send requests
	OperatorInbox = "_INBOX.operator" // of who asks the service discovery
)

// WorkerSubject is the subject on which one worker, by its id, receives what the queue group would
// receive on subject. It is for retries: a frozen worker stays in the queue group until the NATS
// server misses its pings, and one worker may know an action that another doesn't know yet.
func WorkerSubject(subject, worker string) string { return subject + "." + worker }

// Operation is one thing to do: read or change a user's settings or the schema.
type Operation struct {
	Action Action `cbor:"1,keyasint"`
	// User is the id of the user whose settings these are, see [CheckUser]; "" unless the action's
	// scope is ScopeUser.
	User string `cbor:"2,keyasint,omitempty"`
	// RequestID names the HTTP request in the logs of API and worker, at most [MaxRequestID] bytes.
	RequestID string `cbor:"3,keyasint,omitempty"`
	// Issued is when the sender began by the database's clock (see [TimeKey]), in microseconds
	// since 1970 (UTC). A write that was issued before its user was erased isn't applied any more.
	// Zero: not known.
	Issued int64 `cbor:"4,keyasint,omitempty"`
	// Deadline is when the sender stops waiting by the same clock, in milliseconds since 1970
	// (UTC). From then on the operation isn't applied any more. Zero: none.
	Deadline int64 `cbor:"5,keyasint,omitempty"`
	// ID is unique among the user's writes, so that sending one again can't
	// apply it twice. Required for writes, at most [MaxID] bytes. Those about tokens are not
	// remembered by it, since applying one twice changes nothing more.
	ID string `cbor:"6,keyasint,omitempty"`
	// Keyed: the ID was chosen by the sender's client, who may have sent the same write long ago.
	// Then the log is searched for it even if the document is refused today.
	Keyed bool `cbor:"7,keyasint,omitempty"`
	// Fingerprint is a hash (SHA-256) of what was asked, at most [MaxFingerprint] bytes. The same
	// ID with another fingerprint is refused with [KindIDReused].
	Fingerprint []byte `cbor:"8,keyasint,omitempty"`
	// If must hold of the document before a write is applied, else it fails with
	// [KindPrecondition].
	If *Condition `cbor:"9,keyasint,omitempty"`
	// Quiet leaves the document out of the result of a write.
	Quiet bool `cbor:"10,keyasint,omitempty"`
	// Path names a value inside the document: the keys and array indexes that lead to it,
	// as the tokens of a JSON pointer (RFC 6901) without its escapes; see [CheckPath].
	Path []string `cbor:"11,keyasint,omitempty"`
	// Version is the one to read or to restore. For ActionHistory: entries below it;
	// zero: the newest.
	Version int64 `cbor:"12,keyasint,omitempty"`
	// Document is what the action puts or patches with, at most [MaxDocument] bytes. Opaque here:
	// what is put comes back byte for byte.
	Document []byte `cbor:"13,keyasint,omitempty"`
	// Limit is how many entries of the history are wanted, from 1 to [MaxEntries].
	Limit int `cbor:"14,keyasint,omitempty"`
	// List says which users ActionListUsers and ActionTrySchema are about.
	List *Listing `cbor:"15,keyasint,omitempty"`
	// Actor is who asks, to be kept with the version that a write makes; nil: not known.
	Actor *Actor `cbor:"16,keyasint,omitempty"`
	// Token is the one that ActionCreateToken and ActionRevokeToken are about.
	Token *Token `cbor:"17,keyasint,omitempty"`
	// Uses are the last uses of tokens, for ActionUsedTokens: from 1 to [MaxUses].
	Uses []TokenUse `cbor:"18,keyasint,omitempty"`
	// Follow says what ActionFollow is about.
	Follow *Following `cbor:"19,keyasint,omitempty"`
	// Again: this write was sent before, with the same ID and Issued, and what became of it isn't
	// known. If it is refused, the worker also keeps the earlier attempts from being applied, see
	// [Result.Fenced].
	Again bool `cbor:"20,keyasint,omitempty"`
	// Principal is for whom the operation is done, as a number: a hash of the token, the user or
	// the address. Principals share what the workers can do; zero is one like any other.
	Principal uint64 `cbor:"21,keyasint,omitempty"`
	// Trace is the span of the HTTP request if it is traced: [TraceSize] bytes, the id of the trace
	// and then that of the span (W3C Trace Context). Empty: it isn't.
	Trace []byte `cbor:"22,keyasint,omitempty"`
}

// Listing is a part of all users who have a document, in the order of their ids as bytes.
type Listing struct {
	// After is where it begins: [Result.Next] of the part before, or "".
	After string `cbor:"1,keyasint,omitempty"`
	// Limit is how many users are wanted, from 1 to [MaxUsers]. Fewer come where they would fill
	// more than [MaxListing] bytes, or where few of many users are wanted.
	Limit int `cbor:"2,keyasint"`
	// Since leaves out users whose documents were last changed before it, in microseconds since
	// 1970 (UTC); zero: none. With it, users whose documents are gone since are listed, too.
	Since int64 `cbor:"3,keyasint,omitempty"`
	// Documents: the answer has the documents, too.
	Documents bool `cbor:"4,keyasint,omitempty"`
}

// Condition is what a writer wants to be true of the current document (RFC 9110
// section 13). All of its parts must hold.
type Condition struct {
	Match     *Versions `cbor:"1,keyasint,omitempty"` // it is one of these
	NoneMatch *Versions `cbor:"2,keyasint,omitempty"` // it is none of these
	// UnmodifiedSince: it was not changed after that time, in seconds since 1970 (UTC). Zero: no
	// such condition.
	UnmodifiedSince int64 `cbor:"3,keyasint,omitempty"`
}

// Versions is a set of versions of a document. The zero Tag stands for "there is no document":
// none was ever saved, or the last was deleted.
type Versions struct {
	// Any stands for every version that has a document, and a value at Operation.Path.
	Any    bool  `cbor:"1,keyasint,omitempty"`
	Listed []Tag `cbor:"2,keyasint,omitempty"` // at most MaxVersions
}

// Expired reports whether the operation's deadline has passed at now.
func (o *Operation) Expired(now time.Time) bool {
	return o.Deadline != 0 && now.UnixMilli() >= o.Deadline
}

// Request is what a NATS message to [ReadSubject] or [WriteSubject] carries.
type Request struct {
	Operations []Operation `cbor:"1,keyasint"`
	// Secret is known to the sender and the worker only, at most [MaxSecret] bytes, and new for
	// each request. Each reply then has its [Request.Proof]. Empty: the sender wants none.
	Secret []byte `cbor:"2,keyasint,omitempty"`
	// Trace is the span of the message, like [Operation.Trace]. Empty: no operation is traced.
	Trace []byte `cbor:"3,keyasint,omitempty"`
}

// Result is the answer to one operation.
type Result struct {
	// Kind is empty when the operation was done.
	Kind Kind `cbor:"1,keyasint,omitempty"`
	// Detail says in English what is wrong, for the person behind the sender, in at most
	// [MaxDetail] bytes.
	Detail string `cbor:"2,keyasint,omitempty"`
	// Busy, with KindUnavailable: others were writing the same document all the time, or the
	// database can't be reached. Nothing was done for it, so ask again soon.
	Busy bool `cbor:"3,keyasint,omitempty"`
	// Replayed: this write had been applied before, and this is its first answer.
	Replayed bool `cbor:"4,keyasint,omitempty"`
	// Version counts the writes that were applied to the document; 0: none yet.
	// With KindPrecondition it is the current one.
	Version int64 `cbor:"5,keyasint,omitempty"`
	// Modified is when the version was made, in microseconds since 1970 (UTC); zero: never
	// saved.
	Modified int64 `cbor:"6,keyasint,omitempty"`
	// Absent: there is no document at this version, and {} stands for it.
	Absent bool `cbor:"7,keyasint,omitempty"`
	// Document is what was read: the document, the value at the path, the schema, or [Limits]. In
	// the answer to a patch or a restoration it is what came of it (of one that is Replayed nothing,
	// if the history doesn't have it any more), with KindPrecondition the current document.
	Document []byte `cbor:"8,keyasint,omitempty"`
	// Created: ActionSetValue made a value where none was.
	Created bool `cbor:"9,keyasint,omitempty"`
	// Path is where ActionSetValue put the value, if the operation's Path has a "-" and the worker
	// still has the document.
	Path []string `cbor:"10,keyasint,omitempty"`
	// Entries answer ActionHistory, the newest first, at most [MaxEntries].
	Entries []Entry `cbor:"11,keyasint,omitempty"`
	// Users answer ActionListUsers, at most [MaxUsers]; for ActionTrySchema they are examples of
	// users whose documents break the schema.
	Users []User `cbor:"12,keyasint,omitempty"`
	// Next is the Listing.After of the next part; "": there is none.
	Next string `cbor:"13,keyasint,omitempty"`
	// Schema is the version of the schema whose defaults are in an effective document; 0: there
	// never was one.
	Schema int64 `cbor:"14,keyasint,omitempty"`
	// Violations come with KindViolation, at most [MaxViolations].
	Violations []Violation `cbor:"15,keyasint,omitempty"`
	// MoreViolations: there are more than these.
	MoreViolations bool `cbor:"16,keyasint,omitempty"`
	// Checked is how many documents ActionTrySchema checked, and Broken how many of them break
	// the schema.
	Checked int64 `cbor:"17,keyasint,omitempty"`
	Broken  int64 `cbor:"18,keyasint,omitempty"`
	// Tokens answer ActionListTokens, the oldest first, and ActionCreateToken.
	Tokens []Token `cbor:"19,keyasint,omitempty"`
	// SchemaModified is when the version Schema was made, in microseconds since 1970 (UTC).
	SchemaModified int64 `cbor:"20,keyasint,omitempty"`
	// Position answers ActionFollow: it is after the Users.
	Position *Position `cbor:"21,keyasint,omitempty"`
	// More: there are more changes after the Position now.
	More bool `cbor:"22,keyasint,omitempty"`
	// Behind: there will be more as soon as an older transaction has ended.
	Behind bool `cbor:"23,keyasint,omitempty"`
	// Reset: what has changed since Following.After isn't known any more. Begin anew without it.
	Reset bool `cbor:"24,keyasint,omitempty"`
	// Fenced, with the failure of a write that was sent Again: none of its attempts was applied,
	// and none will be.
	Fenced bool `cbor:"25,keyasint,omitempty"`
	// Took is how long the worker computed for this operation, in microseconds; zero: too short to
	// tell.
	Took int64 `cbor:"26,keyasint,omitempty"`
}

// User is one of those who have a document, or who had one.
type User struct {
	ID         string      `cbor:"1,keyasint"`
	Version    int64       `cbor:"2,keyasint"`
	Modified   int64       `cbor:"3,keyasint,omitempty"` // in microseconds since 1970 (UTC)
	Document   []byte      `cbor:"4,keyasint,omitempty"` // with Listing.Documents
	Violations []Violation `cbor:"5,keyasint,omitempty"` // of the schema on trial
	// Absent: the document was deleted, or the user erased. With Listing.Since and ActionFollow.
	Absent bool `cbor:"6,keyasint,omitempty"`
	// Erased is the version of the user's last erasure, after which nothing of that version and of
	// those before it may be kept anywhere; zero: there was none. With Listing.Since, and with
	// ActionFollow.
	Erased int64 `cbor:"7,keyasint,omitempty"`
	// Transaction is where the change is among all changes; with ActionFollow, once all users were
	// listed.
	Transaction int64 `cbor:"8,keyasint,omitempty"`
}

// Violation is one way in which a document breaks the schema.
type Violation struct {
	Pointer string `cbor:"1,keyasint"` // where, as a JSON pointer (RFC 6901)
	Reason  string `cbor:"2,keyasint"` // in English
}

// Entry is a version in the history of a document.
type Entry struct {
	Version int64  `cbor:"1,keyasint"`
	Time    int64  `cbor:"2,keyasint"`           // when it was applied, in microseconds since 1970 (UTC)
	Action  string `cbor:"3,keyasint"`           // what made it, see [Action.String]
	Size    int64  `cbor:"4,keyasint,omitempty"` // bytes of the document; zero: there is none
	Actor   *Actor `cbor:"5,keyasint,omitempty"` // who made it; nil: not known
	Dropped bool   `cbor:"6,keyasint,omitempty"` // the history doesn't have the document any more
	// Restored is the version that this one made current again; 0: none.
	Restored int64 `cbor:"7,keyasint,omitempty"`
}

// Reply answers a [Request], or a part of it.
type Reply struct {
	// Worker is the id of the worker that answers, as in its service discovery.
	Worker string `cbor:"1,keyasint,omitempty"`
	// Results has one entry for each operation of Of. There is none if Kind or Working is set.
	Results []Result `cbor:"2,keyasint,omitempty"`
	// Kind, when set, holds for every operation of the request that has no result yet.
	Kind   Kind   `cbor:"3,keyasint,omitempty"`
	Detail string `cbor:"4,keyasint,omitempty"`
	// Of are the indexes in the request of the operations that have their results here, each once.
	// Empty: all of them, in their order.
	Of []int `cbor:"5,keyasint,omitempty"`
	// Working: the worker is at it.
	Working bool `cbor:"6,keyasint,omitempty"`
	// Proof is the [Request.Proof] of the request that this answers.
	Proof []byte `cbor:"7,keyasint,omitempty"`
}
