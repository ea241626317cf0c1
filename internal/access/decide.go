package access

// Answer is what becomes of a request.
type Answer uint8

// The answers.
const (
	// Allowed: it goes on to its handler.
	Allowed Answer = iota
	// Unauthenticated: it needs a token (401).
	Unauthenticated
	// Forbidden: the service lacks a scope (403).
	Forbidden
	// Hidden: for this user the route doesn't exist (404).
	Hidden
)

// Decide tells whether an identity may do what the rule is about. user is the decoded user id in
// the path, or "" if the path has none or it can't be decoded. needs is what [Rule.Needs] returned.
// With Forbidden it also returns the first scope that is lacking.
//
// The decision takes nothing but its arguments. So it costs the same for users who exist and for
// those who don't, and a refused user learns nothing from how long it takes.
func Decide(id *Identity, r *Rule, user string, needs Scope) (Answer, Scope) {
	if r.Who == Public {
		return Allowed, 0
	}
	switch id.Kind {
	case Service:
		if r.App != "" && r.App != id.App {
			return Hidden, 0
		}
		if lacking := id.Scopes.lacking(needs); lacking != 0 {
			return Forbidden, lacking
		}
		return Allowed, 0
	case User:
		own := r.Who == Owner && user != "" && user == id.Subject
		if (own || r.Who == Signed) && r.App == id.App {
			return Allowed, 0
		}
		return Hidden, 0
	default:
		return Unauthenticated, 0
	}
}
