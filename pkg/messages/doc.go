// Package messages is the contract on the wire between those who ask (the API,
// or any other NATS client) and the workers that answer.
//
// # Asking
//
// A request is one NATS message that carries one or more operations, encoded
// as CBOR ([RFC 8949]). It goes to [ReadSubject] or [WriteSubject], by what its
// operations do, with a reply subject of the sender's. The workers subscribe to
// both subjects in the queue group [QueueGroup], so the NATS server hands each
// message to one worker, drawn at random. If nobody subscribes, the server says
// "no responders" at once: then nothing was applied and asking again is safe.
//
// # Answering
//
// The worker answers each request with one [Reply], after Postgres has committed
// what the request wrote. A reply has either one [Result] for each operation, in
// the order of the operations, or a kind of its own that holds for the request
// as a whole (it could not be decoded, or the worker is full). Operations that
// share a message share nothing else: each one succeeds or fails alone.
//
// A message is at most the server's max_payload long, in both directions. The
// sender keeps its requests below that with [Operation.Size]. A worker whose
// results don't fit answers the ones that do, and the others with
// [KindAskAgain]: ask those again in a request of their own. The first
// result always fits, so asking again comes to an end.
//
// # Writing
//
// An operation that writes has an [Operation.ID] of its own. A worker judges it in this
// order, all in the transaction that applies it:
//
//  1. The id, of a document that can't be one only if [Operation.Keyed] says so. When the user's
//     log already holds it, this is a repetition: nothing is applied again, and the result is the
//     first one with Replayed set, whatever has become of the document since. Ids are kept for 24
//     hours at least.
//  2. The deadline ([Operation.Deadline]), and whether the user was erased since
//     [Operation.Issued].
//  3. The condition ([Operation.If]) against the document as it is then. If it does not
//     hold, the result is [KindPrecondition] with the current version and document.
//     A value or a version that isn't there is missed whether or not the condition holds.
//  4. What the action makes of the document. A patch that does not fit it changes nothing.
//
// Only what was applied is in the log. What failed may be sent again with the same id, and is
// judged afresh.
//
// The result has the version that the write made. It has the document only where the asker
// can't know it: after a patch and after a restoration, and with [KindPrecondition]; for a
// repetition it is what the first attempt made. [Operation.Quiet] leaves it out. A value that
// was appended to an array, to a path with "-", comes with the [Result.Path] at which it now is.
//
// # Hearing of changes
//
// After a commit a worker publishes a [Changed] for each new version on the user's own subject, see
// [ChangedSubject].
//
// # The schema
//
// Documents are held to a JSON Schema, once there is one ([ActionPutSchema]): a write that would
// make a document that breaks it fails with [KindViolation]. The schema has a version of its own,
// conditions, ids and repetitions, like a document, and no user. Whoever is answered that it was
// put can be sure that every later write is held to it, by whichever worker, but those of a
// generation that knows no schema: don't put one while they run.
//
// # Failing
//
// A failure has a [Kind], the same word from where it arises to the HTTP problem that it becomes.
// After one that is [Kind.Temporary] nothing was applied and a retry may succeed. When no reply
// comes the outcome of a write is unknown, and so it stays when a later attempt is refused: the
// first may have been applied or may yet be, see [Kind.AfterUnknown]. Send it again with the same
// id. The queue group may draw the same frozen worker once more, so each worker also listens on
// subjects of its own, see [WorkerSubject]: send it there, if one is known to live.
//
// # Changing
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
