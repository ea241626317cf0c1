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
	MaxOperations = 1024     // operations in one request
	MaxDocument   = 64 << 10 // bytes of a document
	MaxUser       = 128      // bytes of a user id
	MaxID         = 255      // bytes of an operation id
	MaxRequestID  = 64       // bytes of a request id
	MaxPrint      = 64       // bytes of a fingerprint
	MaxDetail     = 512      // bytes of a result's detail

	// MinPayload is the least max_payload that the NATS server may have: in a reply
	// to the most operations one result with the largest document must fit.
	MinPayload = 256 << 10
)

// What encoding adds to the variable parts of an operation, a result, a request or
// a reply at most: keys, lengths and numbers. A property test holds these true.
const (
	operationOverhead = 48
	resultOverhead    = 48
	envelopeOverhead  = MaxDetail + 64
)

// Size is an upper bound of the bytes that the operation takes in a request.
func (o *Operation) Size() int {
	return operationOverhead + len(o.User) + len(o.RequestID) + len(o.ID) + len(o.Fingerprint) + len(o.Document)
}

// Size is an upper bound of the bytes that the result takes in a reply.
func (r *Result) Size() int {
	return resultOverhead + len(r.Kind) + len(r.Detail) + len(r.Document)
}

// Room is how many bytes of operations or results, as their Size counts
// them, fit in one message of a NATS server with this max_payload.
func Room(maxPayload int64) int { return int(maxPayload) - envelopeOverhead }

// Fit replaces results by [KindAskAgain] until the rest has room in one reply.
// The first result always stays.
func Fit(results []Result, room int) {
	again := Result{Kind: KindAskAgain}
	room -= len(results) * again.Size()
	for i := range results {
		if more := results[i].Size() - again.Size(); i == 0 || more <= room {
			room -= more
		} else {
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
	wanted := ReadSubject
	if o.Action == ActionReplace {
		wanted = WriteSubject
	} else if o.Action != ActionRead {
		return KindMalformed, fmt.Sprintf("action %d is unknown to this worker", o.Action)
	}
	switch err := CheckUser(o.User); {
	case wanted != subject:
		return KindMalformed, "this action belongs on " + wanted
	case err != nil:
		return KindMalformed, err.Error()
	case len(o.Document) > MaxDocument:
		return KindTooLarge, fmt.Sprintf("the document is over %d bytes", MaxDocument)
	case len(o.ID) > MaxID || len(o.RequestID) > MaxRequestID || len(o.Fingerprint) > MaxPrint:
		return KindMalformed, "the operation id, the request id or the fingerprint is too long"
	case wanted == WriteSubject && o.ID == "":
		return KindMalformed, "a write needs an operation id"
	case strings.ContainsFunc(o.ID, unicode.IsControl):
		return KindMalformed, "the operation id has a control character"
	}
	return "", ""
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
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("the user id has the unprintable character %U", r)
		}
	}
	return nil
}
