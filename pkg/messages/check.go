package messages

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The last moment of the year 9999 in the units of the wire. Later times wrap around on the way to
// Postgres, and HTTP has no way to write them.
const (
	MaxTime    = 253_402_300_799_999_999 // microseconds
	maxMillis  = MaxTime / 1000
	maxSeconds = maxMillis / 1000
)

// Check returns the kind and the detail of what makes the operation impossible
// on the given subject, or an empty kind. It does not look into the document.
func (o *Operation) Check(subject string) (Kind, string) {
	if !o.Action.known() {
		return KindUnknownAction, UnknownAction(o.Action)
	}
	switch err := o.checkFields(); {
	case o.Action.Subject() != subject:
		return KindMalformed, "this action belongs on " + o.Action.Subject()
	case err != nil:
		return KindMalformed, err.Error()
	case len(o.Document) > MaxDocument:
		return KindTooLarge, fmt.Sprintf("the document is over %d bytes", MaxDocument)
	}
	return "", ""
}

// UnknownAction is the detail of [KindUnknownAction].
func UnknownAction(a Action) string {
	return fmt.Sprintf("action %d is unknown to this worker", uint8(a))
}

func (o *Operation) checkFields() error {
	switch {
	case len(o.ID) > MaxID || len(o.RequestID) > MaxRequestID || len(o.Fingerprint) > MaxFingerprint:
		return errors.New("the operation id, the request id or the fingerprint is too long")
	case o.Action.Writes() && o.ID == "":
		return errors.New("a write needs an operation id")
	case !validTrace(o.Trace):
		return errTrace
	case strings.ContainsFunc(o.ID, unicode.IsControl):
		return errors.New("the operation id has a control character")
	case strings.ContainsFunc(o.RequestID, unicode.IsControl):
		return errors.New("the request id has a control character")
	case !validMillis(o.Deadline) || o.Issued < 0 || o.Issued > MaxTime:
		return errors.New("the deadline or the time of issue is impossible")
	case actions[o.Action].version && o.Version < 1:
		return errors.New("a version is a number from 1 on")
	case o.Version < 0:
		return errors.New("the version is negative")
	case o.Action == ActionHistory && (o.Limit < 1 || o.Limit > MaxEntries):
		return fmt.Errorf("the limit must be from 1 to %d", MaxEntries)
	case actions[o.Action].list && (o.List == nil || o.List.Limit < 1 || o.List.Limit > MaxUsers):
		return fmt.Errorf("the limit must be from 1 to %d", MaxUsers)
	case o.List != nil && (o.List.Since < 0 || o.List.Since > MaxTime):
		return errors.New("the listing begins at an impossible time")
	case o.List != nil && o.List.After != "" && CheckUser(o.List.After) != nil:
		return errors.New("the listing begins after what is no user id")
	case o.Action == ActionFollow && (o.Follow == nil || o.Follow.Limit < 1 ||
		o.Follow.Limit > MaxUsers):
		return fmt.Errorf("the limit must be from 1 to %d", MaxUsers)
	case o.If != nil && (!o.Action.Writes() || o.Action.Scope() == ScopeService):
		return errors.New("this action takes no condition")
	}
	if o.Follow != nil {
		if err := o.Follow.After.check(); err != nil {
			return err
		}
	}
	if err := o.Actor.check(); err != nil {
		return err
	}
	if actions[o.Action].path {
		if err := CheckPath(o.Path); err != nil {
			return err
		}
	}
	if err := o.If.check(); err != nil {
		return err
	}
	if o.Action.Scope() != ScopeUser {
		return o.checkTokens()
	}
	return CheckUser(o.User)
}

var errTrace = fmt.Errorf("a trace has %d bytes or none", TraceSize)

func validTrace(trace []byte) bool { return len(trace) == 0 || len(trace) == TraceSize }

func (c *Condition) check() error {
	if c == nil {
		return nil
	}
	if c.UnmodifiedSince < 0 || c.UnmodifiedSince > maxSeconds {
		return errors.New("a condition has an impossible time")
	}
	for _, v := range []*Versions{c.Match, c.NoneMatch} {
		switch {
		case v == nil:
		case len(v.Listed) > MaxVersions:
			return fmt.Errorf("a condition lists more than %d versions", MaxVersions)
		case slices.ContainsFunc(v.Listed, Tag.impossible):
			return errors.New("a condition lists an impossible version")
		}
	}
	return nil
}

// CheckPath returns what is wrong with the path to a value: it has 1 to [MaxTokens] tokens
// of at most [MaxPath] bytes altogether, in valid UTF-8 without control characters.
func CheckPath(path []string) error {
	size := 0
	for _, token := range path {
		size += len(token)
		if !utf8.ValidString(token) {
			return errors.New("the path is not valid UTF-8")
		}
		if i := strings.IndexFunc(token, unicode.IsControl); i >= 0 {
			return fmt.Errorf("the path has the control character %U", []rune(token[i:])[0])
		}
	}
	switch {
	case len(path) == 0:
		return errors.New("the path is empty")
	case len(path) > MaxTokens:
		return fmt.Errorf("the path has more than %d parts", MaxTokens)
	case size > MaxPath:
		return fmt.Errorf("the path is over %d bytes", MaxPath)
	}
	return nil
}

// CheckUser returns what is wrong with a user id: it is 1 to [MaxUser] bytes of
// valid UTF-8 without control characters and line separators.
func CheckUser(id string) error {
	switch {
	case id == "":
		return errors.New("the user id is empty")
	case len(id) > MaxUser:
		return fmt.Errorf("the user id is over %d bytes", MaxUser)
	case !utf8.ValidString(id):
		return errors.New("the user id is not valid UTF-8")
	}
	for _, r := range id {
		if r > ' ' && r < unicode.MaxASCII {
			continue
		}
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("the user id has the unprintable character %U", r)
		}
	}
	return nil
}
