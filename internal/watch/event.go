package watch

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// heartbeat is a comment, which clients ignore.
var heartbeat = []byte(": heartbeat\n\n")

// How many milliseconds clients are told to wait before they reconnect. The time is random, so that
// not all of them reconnect at once when an API has stopped.
const (
	minRetry = 1000
	maxRetry = 3000
)

func appendRetry(b []byte) []byte {
	retry := minRetry + rand.IntN(maxRetry-minRetry+1) //nolint:gosec // no secret
	return fmt.Appendf(b, "retry: %d\n\n", retry)
}

// eventID is the id of the event for a version: its entity tag without the quotes.
func eventID(t messages.Tag) string { return string(t.Append(nil)) }

// beginEvent is how the event of each change begins. What follows it can't contain it: the lines of
// a document begin with "data: ".
const beginEvent = "event: changed\nid: "

// appendEvent appends the event for a change, with the document unless that is nil.
func appendEvent(b []byte, c messages.Changed, document []byte) []byte {
	b = append(b, beginEvent...)
	b = c.Tag().Append(b)
	b = append(b, "\ndata: {\"version\":"...)
	b = strconv.AppendInt(b, c.Version, 10)
	if c.Modified != 0 {
		b = append(b, `,"time":"`...)
		b = time.UnixMicro(c.Modified).UTC().AppendFormat(b, time.RFC3339Nano)
		b = append(b, '"')
	}
	if c.Absent && c.Version > 0 {
		b = append(b, `,"deleted":true`...)
	}
	if document != nil {
		b = append(b, `,"settings":`...)
		b = appendData(b, document)
	}
	return append(b, "}\n\n"...)
}

// appendData appends JSON to a data line. A line break in JSON is white space between its tokens;
// it begins another data line, and the client puts a line break in between again.
func appendData(b, document []byte) []byte {
	for {
		i := bytes.IndexAny(document, "\r\n")
		if i < 0 {
			return append(b, document...)
		}
		b = append(append(b, document[:i]...), "\ndata: "...)
		if bytes.HasPrefix(document[i:], []byte("\r\n")) {
			i++
		}
		document = document[i+1:]
	}
}
