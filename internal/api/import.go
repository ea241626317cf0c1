package api

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/outset-settings/outset/pkg/messages"
)

// maxImports bounds what is held for imports, about 3 MiB each, and how much of the writes' queue
// they take: up to half of it, with its default size.
const maxImports = 8

// mimeLinesShort is how some spell mimeLines.
const mimeLinesShort = "application/ndjson"

// importUsers replaces the documents of the users of all lines, and answers each line with its
// outcome while it goes on.
func (s *Server) importUsers(c *fiber.Ctx) error {
	endAfter(c) // there may be more to come than is read
	release, err := s.mayImport(c)
	if err != nil {
		return err
	}
	i := &importing{
		server: s, request: requestID(c), reader: newImportReader(c.Context(), s.config),
	}
	c.Response().ImmediateHeaderFlush = true // there are clients that wait for it before they send
	return s.sendLines(c, i.write, func() {
		i.reader.close()
		release()
	})
}

// mayImport tells what is in the way of an import before its body is looked at.
func (s *Server) mayImport(c *fiber.Ctx) (release func(), err error) {
	if err := needChunks(c); err != nil {
		return nil, err
	}
	if _, err := mediaTypeOf(c, mimeLines, mimeLinesShort); err != nil {
		return nil, err
	}
	if s.config.RequirePrecondition {
		return nil, problem{
			kind:   kindPreconditionRequired,
			detail: "an import overwrites what it doesn't know, which isn't allowed here",
		}
	}
	return s.imports.take()
}

// importing is an import under way.
type importing struct {
	server          *Server
	request         string
	reader          *importReader
	applied, failed int
}

// write applies one window of lines after the other and writes their outcomes.
func (i *importing) write(out *lines) error {
	i.reader.start()
	for {
		window, err := i.reader.take(i.server.stopping.Load)
		if err != nil {
			return i.finish(out, err)
		}
		err = i.apply(out, window)
		if flushErr := out.flush(); flushErr != nil {
			return flushErr
		}
		if err != nil {
			return err
		}
	}
}

// finish writes the last line, if it is the end that was reached.
func (i *importing) finish(out *lines, err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	return out.add(fmt.Sprintf("{\"end\":true,\"lines\":%d,\"applied\":%d,\"failed\":%d}\n",
		i.applied+i.failed, i.applied, i.failed))
}

// apply does what the lines of a window ask for, side by side, and writes the outcomes in the order
// of the lines. That for long none of it could be done is an error, and then there is no use in
// going on. Of an API that stops take tells.
func (i *importing) apply(out *lines, window []importLine) error {
	operations, err := i.operations(window)
	if err != nil {
		return err
	}
	results := i.server.writeAll(operations)
	decided, undecided := 0, 0
	for n, l := range window {
		r := results[n]
		switch {
		case operations[n] == nil:
		case r.Kind.Retryable():
			undecided++
		default:
			decided++
		}
		if l.failure == nil && r.Kind != "" {
			l.failure = problem{
				kind: r.Kind, detail: r.Detail, violations: r.Violations, more: r.MoreViolations,
			}
		}
		if err := i.outcome(out, &l, r.Version); err != nil {
			return err
		}
	}
	if undecided > 0 && decided == 0 && !i.server.stopping.Load() {
		return problem{
			kind: messages.KindUnavailable, detail: "for too long nothing could be written",
		}
	}
	return nil
}

// operations are what the lines ask for; nil where that is nothing.
func (i *importing) operations(window []importLine) ([]*messages.Operation, error) {
	operations := make([]*messages.Operation, len(window))
	for n, l := range window {
		if l.failure != nil {
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("making an operation id: %w", err)
		}
		operations[n] = &messages.Operation{
			Action: messages.ActionReplace, User: l.user, Document: l.document, ID: id.String(),
			RequestID: i.request,
		}
	}
	return operations, nil
}

// outcome writes what became of a line.
func (i *importing) outcome(out *lines, l *importLine, version int64) (err error) {
	b := out.pending
	b = strconv.AppendInt(append(b, `{"line":`...), int64(l.number), 10)
	if l.user != "" {
		if b, err = jsontext.AppendQuote(append(b, `,"user":`...), l.user); err != nil {
			return fmt.Errorf("quoting a user id: %w", err)
		}
	}
	if l.failure == nil {
		i.applied++
		b = strconv.AppendInt(append(b, `,"status":200,"version":`...), version, 10)
	} else {
		i.failed++
		object, status, err := object(l.failure, i.request)
		if err != nil {
			return err
		}
		b = strconv.AppendInt(append(b, `,"status":`...), int64(status), 10)
		b = append(append(b, `,"error":`...), object...)
	}
	b = append(b, "}\n"...)
	out.pending = b
	return out.sendIfMuch()
}

// writeAll has writes done side by side, and persists for a while with those that can't be done now.
func (s *Server) writeAll(operations []*messages.Operation) []messages.Result {
	began := time.Now()
	return s.queue.WriteAll(operations, s.config.RequestTimeout, func() bool {
		return !s.stopping.Load() && time.Since(began) <= s.timing.persistence
	})
}
