package api

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// exportUsers answers with all users and their documents, a line for each. It is no snapshot: each
// line has the document as it was at some time during the export.
func (s *Server) exportUsers(c *fiber.Ctx) error {
	release, err := s.slot(c, s.exports)
	if err != nil {
		return err
	}
	e := &export{server: s, valid: s.validity(c), rest: messages.Operation{
		Action: messages.ActionListUsers, RequestID: requestID(c), Principal: s.share(c),
		Trace: s.trace(c), List: &messages.Listing{
			Limit: messages.MaxUsers, Documents: true,
		},
	}}
	// The first part is read before the answer begins, so that a failure is an ordinary answer.
	if e.first, err = s.nextPart(&e.rest); err != nil {
		release()
		return err
	}
	return s.sendLines(c, e.write, nil, release)
}

// export is an export in progress.
type export struct {
	server *Server
	valid  func() error // whose token it is may have lost it meanwhile
	first  messages.Result
	rest   messages.Operation // lists the users after those that were read
	users  int
}

// write writes all users. It retries parts whose failure is temporary.
func (e *export) write(out *lines) error {
	err := e.put(out, &e.first)
	more := e.first.Next != ""
	e.first = messages.Result{}
	for got := time.Now(); err == nil && more; {
		err = e.server.eachPart(&e.rest, func(r *messages.Result) error {
			got = time.Now()
			if err := e.valid(); err != nil {
				return err
			}
			return e.put(out, r)
		})
		if more = err != nil; more && e.server.mayPersist(err, got) {
			err = nil
			time.Sleep(e.server.timing.persistencePause)
		}
	}
	if err != nil {
		return err
	}
	return out.add(fmt.Sprintf("{\"end\":true,\"users\":%d}\n", e.users))
}

// mayPersist tells whether to retry after an error, if the last success was at then.
func (s *Server) mayPersist(err error, then time.Time) bool {
	var p problem
	return errors.As(err, &p) && p.kind.Temporary() && time.Since(then) < s.timing.persistence &&
		!s.stopping.Load()
}

// put writes the users of a part.
func (e *export) put(out *lines, r *messages.Result) error {
	for i := range r.Users {
		var err error
		if out.pending, err = appendLine(out.pending, &r.Users[i]); err != nil {
			return err
		}
		if err := out.flushIfFull(); err != nil {
			return err
		}
	}
	e.users += len(r.Users)
	return nil
}

// appendLine appends a user's line. A document that has line breaks, or white space around it, is
// sent as a string in text, which keeps it exactly.
func appendLine(b []byte, u *messages.User) ([]byte, error) {
	asText := bytes.ContainsAny(u.Document, "\r\n") ||
		len(bytes.Trim(u.Document, " \t")) < len(u.Document)
	b, err := appendUser(b, u, !asText)
	if err == nil && asText {
		b = append(b[:len(b)-1], `,"text":`...) // instead of the closing brace
		if b, err = jsontext.AppendQuote(b, u.Document); err != nil {
			return nil, fmt.Errorf("quoting a document: %w", err)
		}
		b = append(b, '}')
	}
	return append(b, '\n'), err
}
