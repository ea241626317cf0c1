// Package failpoint injects faults at moments that a test can't hit from outside, such as after a
// commit and before its reply. Crashes, cut connections and killed processes need none of it.
//
// Only a program that is built with the tag failpoint injects faults, as the variable
// OUTSET_FAILPOINTS says. In every other one [Hit] is a constant, which the compiler removes
// together with what depends on it.
//
// The points:
//
//   - worker/change-lost: a change is not published.
//   - worker/reply-lost: a request with writes is done and not answered.
//   - store/commit-lost: a transaction is rolled back and acknowledged, as by a worker that answers
//     before it commits, and dies in between.
//   - worker/key-lost: a write with a client's key gets an id of its own at each attempt.
//   - worker/id-anew: so does a write with an id that the API made.
package failpoint
