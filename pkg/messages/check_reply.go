package messages

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// What a reply is checked for. Documents are as large as a message allows, and ids of users are
// whatever the database has: neither is judged here.

func (r *Reply) check(n int) error {
	if r.Worker != "" {
		if err := CheckWorker(r.Worker); err != nil {
			return err
		}
	}
	if len(r.Kind) > MaxKind || len(r.Detail) > MaxDetail {
		return errors.New("its kind or its detail is too long")
	}
	want := n
	switch {
	case r.Kind != "" || r.Working:
		want = 0
	case len(r.Of) > 0:
		want = len(r.Of)
	}
	if len(r.Results) != want {
		return fmt.Errorf("%d results for %d operations", len(r.Results), want)
	}
	if len(r.Of) == 0 { // nearly always
		return nil
	}
	seen := make([]bool, n)
	for _, i := range r.Of {
		if i < 0 || i >= n || seen[i] {
			return fmt.Errorf("a result of operation %d of %d", i, n)
		}
		seen[i] = true
	}
	return nil
}

func (r *Result) check() error {
	switch {
	case len(r.Kind) > MaxKind || len(r.Detail) > MaxDetail:
		return errors.New("its kind or its detail is too long")
	case r.Version < 0 || r.Schema < 0 || r.Checked < 0 || r.Broken < 0 ||
		r.Took < 0:
		return errors.New("it has a negative number")
	case !validMicros(r.Modified) || !validMicros(r.SchemaModified):
		return errors.New("it has an impossible time")
	case len(r.Entries) > MaxEntries || len(r.Users) > MaxUsers ||
		len(r.Violations) > MaxViolations || len(r.Tokens) > MaxListedTokens:
		return errors.New("it has too many parts")
	case r.Next != "" && CheckUser(r.Next) != nil:
		return errors.New("the next part begins after what is no user id")
	}
	if err := r.Position.check(); err != nil {
		return err
	}
	if len(r.Path) > 0 {
		if err := CheckPath(r.Path); err != nil {
			return err
		}
	}
	for i := range r.Entries {
		if e := &r.Entries[i]; e.Version < 1 || e.Size < 0 || !validMicros(e.Time) ||
			len(e.Action) > MaxKind || e.Actor.tooLong() {
			return fmt.Errorf("the entry of version %d is impossible", e.Version)
		}
	}
	for i := range r.Users {
		if u := &r.Users[i]; u.Version < 0 || u.Erased < 0 || u.Transaction < 0 ||
			!validMicros(u.Modified) ||
			len(u.Violations) > MaxViolations {
			return fmt.Errorf("the state of user %.128q is impossible", u.ID)
		}
	}
	for i := range r.Tokens {
		if t := &r.Tokens[i]; !tokenID.MatchString(t.ID) || len(t.Hash) > sha256.Size ||
			len(t.Scopes) > MaxScopes || len(t.Name) > MaxTokenName || len(t.App) > MaxTokenName ||
			!validMillis(t.Created) || !validMillis(t.Expires) || !validMillis(t.LastUsed) ||
			t.CreatedBy.tooLong() {
			return fmt.Errorf("the token %.64q is impossible", t.ID)
		}
	}
	return nil
}

// MaxListedTokens is how many service tokens a reply has at most: all that are valid, and those
// that the workers' configurations have.
const MaxListedTokens = MaxServiceTokens + 24

// tooLong leaves the actor's kind alone, which may be a newer worker's.
func (a *Actor) tooLong() bool {
	return a != nil && (len(a.Subject) > MaxSubject || len(a.Token) > MaxTokenID)
}

// validMillis and validMicros tell whether a time of the wire is possible: from 1970 to 9999, or
// zero for none.
func validMillis(ms int64) bool { return ms >= 0 && ms <= maxMillis }

func validMicros(us int64) bool { return us >= 0 && us <= MaxTime }
