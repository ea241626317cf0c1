// Package messages is the contract on the wire between the senders of requests (the API,
// or any other NATS client) and the workers that answer them.
//
// # Requests
//
// A request is one NATS message that carries one or more operations, encoded
// as CBOR ([RFC 8949]). It goes to [ReadSubject] or [WriteSubject], by what its
// operations do, with a reply subject of the sender's. The workers subscribe to
// both subjects in the queue group [QueueGroup], so the NATS server hands each
// message to one worker, drawn at random. If nobody subscribes, the server says
// "no responders" at once: then nothing was applied and a retry is safe. A server that tells roles
// apart lets senders hear replies below [APIInbox] only.
//
// # Replies
//
// The worker answers each request with one [Reply], or with several: it sends results as soon as
// they are known, those of writes after Postgres has committed them. A reply has the [Result] of
// some or all operations ([Reply.Of]), or a kind of its own that holds for all that have none yet
// (the request could not be decoded, or the worker's queue is full). Operations that share a
// message share nothing else: each one succeeds or fails alone.
//
// Whoever may hear the replies to others can have a worker send them more: the reply to a request
// of its own. So a sender gives each request a [Request.Secret], and ignores replies without the
// [Request.Proof] of it.
//
// While a request takes long, its worker says every [WorkingEvery] that it is at it
// ([Reply.Working]), so that what is only slow isn't taken for lost. After a longer silence ask
// another worker: the same id is never applied twice.
//
// A message is at most the server's max_payload long, in both directions. The sender keeps its
// requests below that with [Operation.Size] and [Capacity], the worker its replies with [Fitting].
//
// # Traces
//
// An operation that is part of a trace says where ([Operation.Trace]), and so does its message
// ([Request.Trace]). The worker's batch is below the message; it has links to its operations, and
// what each waited for it is below the operation. Nothing else depends on either.
//
// # Writes
//
// An operation that writes has an [Operation.ID] of its own. A worker checks it in this
// order, all in the transaction that applies it:
//
//  1. The id. When the user's log already holds it, this is a repetition: nothing is applied
//     again, and the result is the first one with Replayed set, whatever has become of the document
//     since. Ids are kept for 24 hours at least. An operation that no document could satisfy is
//     refused without searching the log for its id, unless it is [Operation.Keyed] or was sent
//     [Operation.Again].
//  2. The deadline ([Operation.Deadline]), and whether the user was erased since
//     [Operation.Issued].
//  3. The condition ([Operation.If]) against the current document. If it does not
//     hold, the result is [KindPrecondition] with the current version and document.
//     A value or a version that isn't there is [KindNotFound] whether or not it holds.
//  4. The document that the action makes. A patch that does not fit it changes nothing.
//
// Only what was applied is in the log. What failed may be sent again with the same id, and is
// checked anew.
//
// The result has the version that the write made. It has the document only where the sender
// can't know it: after a patch and after a restoration, and with [KindPrecondition]; for a
// repetition it is what the first attempt made. [Operation.Quiet] leaves it out. A value that
// was appended to an array, to a path with "-", comes with the [Result.Path] at which it now is.
//
// # Changes
//
// After a commit a worker publishes a [Changed] for each new version on the user's own subject, see
// [ChangedSubject].
//
// # The schema
//
// Once there is a JSON Schema ([ActionPutSchema]), a write fails with [KindViolation] if the
// document that it would make breaks the schema. The schema has versions, conditions, ids and
// repetitions like a document, and belongs to no user. After the reply to ActionPutSchema every
// write is checked against it, by whichever worker, except by those that don't know that action:
// don't put a schema while they run.
//
// # Actors and tokens
//
// [Operation.Actor] is who asks, as far as the sender knows; the worker keeps it with the version
// that a write makes, and tells it in the history. It judges nothing by it: who may send messages
// to the workers is the NATS server's to say.
//
// Service tokens are kept as hashes ([Token]). The API has all valid ones ([ActionListTokens]), so
// checking one asks nobody. Creating a token twice with the same id and hash, revoking one twice
// and reporting a use twice change nothing more, so these may be sent again at will.
//
// # Failures
//
// A failure has a [Kind], the same word from where it arises to the HTTP problem that it becomes.
// After one that is [Kind.Temporary] nothing was applied and a retry may succeed. When no reply
// comes the outcome of a write is unknown. Send it again with the same id and [Operation.Again]. If
// it was applied, the result is the first one. If it is refused once its user's row is locked, the
// worker records that, so that an earlier attempt which comes later is refused, too: such a refusal
// is [Result.Fenced]. After any other refusal the outcome is still unknown, see
// [Kind.AfterUnknown].
//
// The queue group may draw the same frozen worker once more, so each worker also listens on
// subjects of its own, see [WorkerSubject]: send it there, if one is known to live.
//
// # Versions of the protocol
//
// From the first release on actions, fields and kinds are only ever appended, and decoders ignore
// map keys that they do not know. A change that cannot keep this gets new subjects
// (settings.v2.…). No NATS headers are used.
//
// A worker that ignored a field would do something else than was asked. So a field that
// changes what an action does comes with a new action. A worker refuses an action that it does not
// know with [KindUnknownAction] and applies nothing. It announces the highest that it knows in its
// metadata in the service discovery, under [ActionsKey].
//
// Upgrade workers first: then every action that an API sends has a worker that knows it. While
// older workers run beside them the queue group may draw one of those again and again, so after
// [KindUnknownAction] send the request to a worker that announces the action.
//
// [RFC 8949]: https://www.rfc-editor.org/rfc/rfc8949
package messages
