package messages

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of the contract. Both sides hold them.
const (
	MaxOperations  = 1024      // operations in one request
	MaxDocument    = 512 << 10 // bytes of a document or a patch; workers usually allow less
	MaxUser        = 128       // bytes of a user id
	MaxID          = 255       // bytes of an operation id
	MaxRequestID   = 64        // bytes of a request id
	MaxFingerprint = 64        // bytes of a fingerprint
	MaxDetail      = 512       // bytes of a result's detail
	MaxPath        = 4 << 10   // bytes of all tokens of a path
	MaxTokens      = 128       // tokens of a path
	MaxVersions    = 256       // listed in each part of a condition
	MaxEntries     = 128       // of a history in one result
	MaxUsers       = 500       // of a listing in one result
	MaxListing     = 512 << 10 // bytes of them, as [User.Size] counts; more only for one alone
	MaxViolations  = 32        // of one document in one result
	MaxPointer     = 512       // bytes of where a violation is, and of its reason

	// MinPayload is the least max_payload that the NATS server may have: in a reply
	// to the most operations one result with the largest document must fit.
	MinPayload = 640 << 10
)

// maxTime is the last microsecond of the year 9999.
const maxTime = 253_402_300_799_999_999

// What encoding adds to the variable parts of an operation, a result, a request or
// a reply at most: keys, lengths and numbers. A property test holds these true.
const (
	operationOverhead = 48
	resultOverhead    = 48
	entryOverhead     = 34
	listOverhead      = 40
	userOverhead      = 40
	violationOverhead = 12
	envelopeOverhead  = MaxDetail + 64
)

// Size is an upper bound of the bytes that the operation takes in a request.
func (o *Operation) Size() int {
	return operationOverhead + len(o.User) + len(o.RequestID) + len(o.ID) + len(o.Fingerprint) +
		len(o.Document) +
		sizeOfPath(o.Path) + o.If.size() + sizeOfNumber(o.Version) + sizeOfNumber(int64(o.Limit)) +
		sizeOfNumber(o.Issued) + 4 + o.List.size()
}

func (l *Listing) size() int {
	if l == nil {
		return 0
	}
	return listOverhead + len(l.After)
}

// Size is an upper bound of the bytes that the result takes in a reply.
func (r *Result) Size() int {
	size := resultOverhead + len(r.Kind) + len(r.Detail) + len(r.Document) +
		sizeOfNumber(r.Modified) + sizeOfPath(r.Path)
	for i := range r.Entries {
		size += entryOverhead + len(r.Entries[i].Action)
	}
	for i := range r.Users {
		size += r.Users[i].Size()
	}
	return size + sizeOfViolations(r.Violations) + sizeOfText(r.Next) + sizeOfNumber(r.Schema) +
		sizeOfNumber(r.Checked) + sizeOfNumber(r.Broken)
}

// Size is an upper bound of the bytes that the user takes in a result.
func (u *User) Size() int {
	return userOverhead + len(u.ID) + len(u.Document) + sizeOfViolations(u.Violations)
}

func sizeOfViolations(violations []Violation) int {
	size := 0
	if len(violations) > 0 {
		size = 8
	}
	for _, v := range violations {
		size += violationOverhead + len(v.Pointer) + len(v.Reason)
	}
	return size
}

func sizeOfText(text string) int {
	if text == "" {
		return 0
	}
	return 4 + len(text)
}

func (c *Condition) size() int {
	if c == nil {
		return 0
	}
	return 2 + c.Match.size() + c.NoneMatch.size() + sizeOfNumber(c.UnmodifiedSince)
}

func (v *Versions) size() int {
	if v == nil {
		return 0
	}
	return 8 + 9*len(v.Listed)
}

// sizeOfNumber is what a field with a number takes, if it's there.
func sizeOfNumber(n int64) int {
	if n == 0 {
		return 0
	}
	return 10
}

func sizeOfPath(path []string) int {
	size := 0
	if len(path) > 0 {
		size = 4
	}
	for _, token := range path {
		size += 3 + len(token)
	}
	return size
}

// Capacity is how many bytes of operations or results, as their Size counts
// them, fit in one message of a NATS server with this max_payload.
func Capacity(maxPayload int64) int { return int(maxPayload) - envelopeOverhead }

// Fit replaces results by [KindAskAgain] until the rest fits in a reply of this capacity.
// The first result always stays. Replayed stays, too: when a write is sent again its
// result is a repetition in any case.
func Fit(results []Result, capacity int) {
	again := Result{Kind: KindAskAgain}
	capacity -= len(results) * again.Size()
	for i := range results {
		if more := results[i].Size() - again.Size(); i == 0 || more <= capacity {
			capacity -= more
		} else {
			again.Replayed = results[i].Replayed
			results[i] = again
		}
	}
}

// Detail cuts a text to [MaxDetail] bytes, at a whole character.
func Detail(text string) string {
	if len(text) <= MaxDetail {
		return text
	}
	return strings.ToValidUTF8(text[:MaxDetail], "")
}

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
	case strings.ContainsFunc(o.ID, unicode.IsControl):
		return errors.New("the operation id has a control character")
	case actions[o.Action].version && o.Version < 1:
		return errors.New("a version is a number from 1 on")
	case o.Version < 0:
		return errors.New("the version is negative")
	case o.Action == ActionHistory && (o.Limit < 1 || o.Limit > MaxEntries):
		return fmt.Errorf("the limit must be from 1 to %d", MaxEntries)
	case actions[o.Action].list && (o.List == nil || o.List.Limit < 1 || o.List.Limit > MaxUsers):
		return fmt.Errorf("the limit must be from 1 to %d", MaxUsers)
	case o.List != nil && (o.List.Since < 0 || o.List.Since > maxTime):
		return errors.New("the listing begins at an impossible time")
	case o.List != nil && o.List.After != "" && CheckUser(o.List.After) != nil:
		return errors.New("the listing begins after what is no user id")
	case o.If != nil && !o.Action.Writes():
		return errors.New("this action takes no condition")
	}
	if actions[o.Action].path {
		if err := CheckPath(o.Path); err != nil {
			return err
		}
	}
	if o.If != nil {
		for _, v := range []*Versions{o.If.Match, o.If.NoneMatch} {
			if v != nil && len(v.Listed) > MaxVersions {
				return fmt.Errorf("a condition lists more than %d versions", MaxVersions)
			}
		}
	}
	if o.Action.Scope() != ScopeUser {
		return nil
	}
	return CheckUser(o.User)
}

// CheckPath tells what is wrong with the path to a value: it has 1 to [MaxTokens] tokens
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

// CheckUser tells what is wrong with a user id: it is 1 to [MaxUser] bytes of
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
