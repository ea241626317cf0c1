package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// maxEvent bounds the bytes of one event: documents have 512 KiB at most.
const maxEvent = 1 << 20

var errEventTooLarge = errors.New("an event is too large")

// event is a server-sent event.
type event struct {
	name string
	id   string
	data []byte
}

// eventReader reads an event stream as the HTML standard defines it
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
type eventReader struct {
	r       *bufio.Reader
	begun   bool          // the first line has been read
	afterCR bool          // the last line ended with CR, to which an LF may belong
	retry   time.Duration // the service's wish: the wait before the next connection
	alive   func()        // called for each event and each comment
}

func newEventReader(r io.Reader) *eventReader {
	return &eventReader{r: bufio.NewReader(r), alive: func() {}}
}

// next returns the next event that has data. An event that is cut off is dropped.
func (r *eventReader) next() (event, error) {
	var e event
	var data []byte
	for {
		line, err := r.line()
		if err != nil {
			return event{}, err
		}
		if len(line) == 0 {
			if data != nil {
				r.alive()
				e.data = data[:len(data)-1] // without the last line break
				return e, nil
			}
			e = event{}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "": // a comment, such as a heartbeat
			r.alive()
		case "event":
			e.name = string(value)
		case "id":
			e.id = string(value)
		case "data":
			data = append(append(data, value...), '\n')
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 31); err == nil {
				r.retry = time.Duration(ms) * time.Millisecond
			}
		}
		if len(data) > maxEvent {
			return event{}, errEventTooLarge
		}
	}
}

// line returns the next line, which ends with CR, LF or both. After a CR it returns at once: an LF
// is dropped by the next call.
func (r *eventReader) line() ([]byte, error) {
	var line []byte
	for {
		b, err := r.r.ReadByte()
		if err != nil {
			return nil, err
		}
		afterCR := r.afterCR
		r.afterCR = b == '\r'
		switch {
		case b == '\n' && afterCR:
			continue
		case b == '\n' || b == '\r':
			if !r.begun {
				line, r.begun = bytes.TrimPrefix(line, []byte("\ufeff")), true
			}
			return line, nil
		case len(line) >= maxEvent:
			return nil, errEventTooLarge
		}
		line = append(line, b)
	}
}
