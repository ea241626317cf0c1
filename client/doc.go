// Package client is the Go client of Outset, a service that keeps the settings of an application's
// users: one JSON object for each user, which comes back byte for byte, with a version that counts
// the writes.
//
//	c, err := client.New("http://127.0.0.1:8080")
//	…
//	s, err := c.Get(ctx, "42")                                     // {} for a user who has none
//	s, err = c.Put(ctx, "42", json.RawMessage(`{"theme":"dark"}`)) // the whole document
//	v, err := c.SetValue(ctx, "42", client.Path{"font", "size"}, json.RawMessage(`12`))
//	s, err = c.Patch(ctx, "42", json.RawMessage(`{"theme":null}`), client.IfMatch(v.ETag))
//
// # Tokens
//
// [WithToken] gives the client a token, of a service or of a user, and a way to get another when it
// has expired. [Client.CreateToken], [Client.Tokens] and [Client.RevokeToken] manage those of
// services.
//
// # Preconditions
//
// A write may say what it builds upon, by [IfMatch] or [IfAbsent]. If somebody else
// has written since, the error is [ErrPrecondition], and as an [*Error] it has what there is
// instead. [Client.Update] reads, writes with a precondition, and begins again as often as needed.
//
// # Retries
//
// A request that finds the service busy or away, or gets no answer, is repeated: see [Retry]. That
// is safe for writes, too: each has an idempotency key, by which the service recognizes it and
// applies it once. A refusal is not repeated.
//
// When the client gives up, the error tells what became of a write. [ErrUnavailable] means that
// nothing was changed. [ErrOutcomeUnknown] means that the write may have been applied: an answer
// was lost, or came from something between the client and the service. Give a write an
// [IdempotencyKey] of your own if it must be possible to repeat it later.
//
// The context limits a call, [WithTimeout] each attempt.
//
// # Errors
//
// errors.Is tells the kinds apart: [ErrNotFound], [ErrPrecondition], [ErrViolation] and so on.
// errors.As with an [*Error] gives all that the service said. Errors of the network and of the
// context are wrapped, so that errors.Is finds context.Canceled, for instance.
//
// # Streams
//
// [Client.History], [Client.Users], [Client.Export], [Client.Import] and [Client.Watch] return
// iterators for range loops. An error is the last that they yield, and leaving the loop ends the
// request. The service breaks off a stream of which it can send nothing for a minute, and an import
// whose next line doesn't come for 10 s. So do what takes longer after the loop or in another
// goroutine.
//
// The package uses the standard library only.
package client
