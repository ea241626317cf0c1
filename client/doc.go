// Package client is the Go client of Outset, which keeps the settings of an application's users:
// for each a JSON object that comes back byte for byte, with a version that counts the writes.
//
//	c, err := client.New("http://127.0.0.1:8080")
//	…
//	s, err := c.Get(ctx, "42")                                        // {} for a user who has none
//	s, err = c.Put(ctx, "42", json.RawMessage(`{"theme":"dark"}`))    // all of it
//	v, err := c.SetValue(ctx, "42", client.Path{"font", "size"}, json.RawMessage(`12`))
//	s, err = c.Patch(ctx, "42", json.RawMessage(`{"theme":null}`), client.IfVersion(v.Version))
//
// # Preconditions
//
// A write may say what it builds upon, by [IfVersion], [IfAbsent] or [IfMatch]. If that isn't so
// any more the error is [ErrPrecondition], and as an [*Error] it has what there is instead.
// [Client.Update] does all of it.
//
// # Repetition
//
// What finds the service busy or away, or gets no answer, is repeated: see [Retry]. That is safe
// for writes too, because each has an idempotency key, by which the service knows it again and
// applies it once. When the client gives up it says what became of the write: [ErrUnavailable]
// means that certainly nothing was changed, [ErrOutcomeUnknown] that it may have been: an answer
// got lost, or came from something between the client and the service. Give such a write an
// [IdempotencyKey] of your own where it must be possible to repeat it later. Refusals are not
// repeated. A call takes as long as its context lets it, and no attempt longer than [WithTimeout].
//
// # Errors
//
// errors.Is tells the kinds apart: [ErrNotFound], [ErrPrecondition], [ErrViolation] and so on.
// errors.As to [*Error] gives all that the service said. Errors of the network stay what they are
// inside, context.Canceled for instance.
//
// # Streams
//
// [Client.History], [Client.Users], [Client.Export], [Client.Import] and [Client.Watch] return
// iterators for range. An error is the last that they yield, and leaving the loop ends the request.
// The service waits a minute for what it sends to be taken, and 10 s for the next line of an
// import, so do what takes longer after the loop, or in another goroutine.
//
// The package uses nothing but the standard library.
package client
