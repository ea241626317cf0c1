// Package failpoint makes things go wrong on purpose, at the one moment that a test
// can't hit from outside: after a commit and before its answer, for example. Real
// crashes, real cut connections and killed processes need none of it.
//
// Only a program that is built with the tag failpoint can be told to, by the variable
// OUTSET_FAILPOINTS. In every other one [Hit] is a constant, which the compiler removes
// together with what depends on it.
//
// The points, by the place where they are and what goes wrong there:
//
//   - worker/change-lost: a change is not told to those who watch.
//   - worker/reply-lost: a request with writes was done and is not answered.
package failpoint
