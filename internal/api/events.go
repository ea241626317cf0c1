package api

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

const (
	mimeEvents        = "text/event-stream" // HTML, section 9.2
	headerLastEventID = "Last-Event-ID"
	// Clients are told to wait between so long and so long, in milliseconds, before they connect
	// again. Each is told another time, so that not all are there in the same moment when an API
	// has stopped.
	minRetry = 1000
	maxRetry = 3000
)

// getEvents tells of the user's changes for as long as the client stays. The state is read here, so
// that what goes wrong is an ordinary answer; then the hub takes the connection over.
func (s *Server) getEvents(c *fiber.Ctx) error {
	user, err := userOf(c)
	if err != nil {
		return err
	}
	whole, err := includesSettings(c)
	if err != nil {
		return err
	}
	if s.stopping.Load() {
		return problem{kind: messages.KindUnavailable, detail: "the API is stopping"}
	}
	// It subscribes before the state is read: no change falls between the two.
	w, err := s.hub.join(c.Context().Conn(), user, whole)
	if err != nil {
		return err
	}
	o := messages.Operation{Action: messages.ActionReadNumber, User: user}
	if whole {
		o.Action = messages.ActionRead
	}
	r, err := s.fetch(c, o)
	if err != nil {
		s.hub.leave(w)
		return err
	}
	c.Context().SetContentType(mimeEvents)
	if c.Method() == fiber.MethodHead {
		s.hub.leave(w)
		return nil
	}
	s.watch(c, w, &r)
	return nil
}

// watch has the hub take over the request's connection.
func (s *Server) watch(c *fiber.Ctx, w *watcher, r *messages.Result) {
	// neither a length nor chunks: it ends with the connection
	c.Response().Header.SetContentLength(-2)
	greeting := fmt.Appendf(bytes.Clone(c.Response().Header.Header()), "retry: %d\n\n", minRetry+rand.IntN(maxRetry-minRetry+1)) //nolint:gosec // no secret
	state := stateOf(r)
	if c.Get(headerLastEventID) != strconv.FormatInt(r.Version, 10) {
		var document []byte
		if w.whole {
			document = documentOf(r)
		}
		greeting = appendEvent(greeting, state, document)
	}
	c.Context().HijackSetNoResponse(true)
	c.Context().Hijack(func(net.Conn) { s.hub.start(w, greeting, state) })
}

// appendEvent appends an event that tells of a change, with the document if there is one.
func appendEvent(b []byte, c messages.Changed, document []byte) []byte {
	b = append(b, "event: changed\nid: "...)
	b = strconv.AppendInt(b, c.Version, 10)
	b = append(b, "\ndata: {\"version\":"...)
	b = strconv.AppendInt(b, c.Version, 10)
	if c.Modified != 0 {
		b = append(b, `,"time":"`...)
		b = time.UnixMilli(c.Modified).UTC().AppendFormat(b, time.RFC3339Nano)
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

// appendData appends JSON to a line of data. A line break in it, which is white space between its
// tokens, begins another line of data; the client puts one in between again.
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
