package watch

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outset-settings/outset/pkg/messages"
)

// appendUserEvent appends the event for a change of one of all users.
func appendUserEvent(b []byte, at messages.Position, u *messages.User, document bool) []byte {
	b = append(append(b, beginEvent...), at.String()...)
	b = append(b, "\ndata: {\"user\":"...)
	b, _ = jsontext.AppendQuote(b, u.ID) // an id is valid UTF-8
	b = strconv.AppendInt(append(b, `,"version":`...), u.Version, 10)
	tag := messages.Tag{Version: u.Version, Modified: u.Modified}
	b = tag.Append(append(b, `,"etag":"\"`...))
	b = append(b, `\"","time":"`...)
	b = time.UnixMicro(u.Modified).UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	if u.Absent {
		b = append(b, `,"deleted":true`...)
	}
	if u.Erased != 0 {
		b = strconv.AppendInt(append(b, `,"erasedVersion":`...), u.Erased, 10)
	}
	if document && !u.Absent {
		b = appendData(append(b, `,"settings":`...), u.Document)
	}
	return append(b, "}\n\n"...)
}

// appendNamed appends another event, with the position as its id unless that is nil.
func appendNamed(b []byte, name string, at *messages.Position, data string) []byte {
	b = append(append(b, "event: "...), name...)
	if at != nil {
		b = append(append(b, "\nid: "...), at.String()...)
	}
	return append(append(append(b, "\ndata: "...), data...), "\n\n"...)
}
