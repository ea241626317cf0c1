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
// # Failing
//
// A failure has a [Kind], the same word from where it arises to the HTTP problem
// that it becomes. Those for which [Kind.Definite] is true were surely not
// applied. When no reply comes the outcome of a write is unknown. Ask again with
// the same [Operation.ID]: a write whose id the user's log already holds isn't
// applied again, it gets the first answer with Replayed set. The queue group might draw
// the same frozen worker once more, so each worker also listens on subjects of
// its own, see [Named]: ask again there, if one is known to live.
//
// # Changing
//
// Fields and kinds are only ever appended, and decoders ignore map keys that they
// do not know, so old and new programs work side by side in any order of
// upgrade. A change that cannot keep this gets new subjects (settings.v2.…).
// No NATS headers are used.
//
// [RFC 8949]: https://www.rfc-editor.org/rfc/rfc8949
package messages
