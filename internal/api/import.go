package api

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/pkg/messages"
)

// maxImports bounds the memory of imports, about 3 MiB each, and their share of the queue of
// writes: at most half of it.
const maxImports = 8

// mimeLinesShort is another common name of mimeLines.
const mimeLinesShort = "application/ndjson"

// importUsers writes the document of each line's user, and answers with the outcome of each line
// while it reads on, or later (see holds). With return=minimal it answers with those that failed
// only: a client that reads nothing before it has sent everything would get stuck otherwise, with
// the answer to what it has sent filling all buffers.
func (s *Server) importUsers(c *fiber.Ctx) error {
	endAfter(c) // the client may send more than is read
	mode, err := modeOf(c)
	if err != nil {
		return err
	}
	coding, release, err := s.mayImport(c, mode)
	if err != nil {
		return err
	}
	if waits(c) {
		release()
		return errContinue
	}
	i := &importing{
		server: s, request: requestID(c), share: s.share(c), trace: s.trace(c),
		reader:   newImportReader(c.Context(), s.config, coding == codingGzip),
		identity: identityOf(c), valid: s.validity(c), mode: mode,
		minimal: appliedPreference(c) == minimal,
	}
	return s.sendLines(c, i.write, i.holds(c), func() {
		i.reader.close()
		release()
	})
}

// holds returns what tells that no outcome may be sent yet, or nil. Who tells the length of the
// body or speaks HTTP/1.0 has all of it, may read nothing before it is sent, and may even stop
// sending when an answer comes: nginx does. Who sends it in chunks may wait for outcomes in
// between.
func (i *importing) holds(c *fiber.Ctx) func() bool {
	if c.Request().Header.IsHTTP11() && c.Request().Header.ContentLength() < 0 {
		return nil
	}
	return i.reader.readsOn
}

// mayImport checks what can be checked before the body is read. Its error is a problem.
func (s *Server) mayImport(c *fiber.Ctx, mode importMode) (
	coding string, release func(), err error,
) {
	if _, err = mediaTypeOf(c, mimeLines, mimeLinesShort); err != nil {
		return "", nil, err
	}
	if coding, err = codingOf(c, codingGzip); err != nil {
		return "", nil, err
	}
	if s.config.RequirePrecondition && mode != importCreate {
		return "", nil, problem{
			kind: kindPreconditionRequired,
			detail: "this service requires preconditions of writes, and of imports only mode=create " +
				"has one",
		}
	}
	release, err = s.slot(c, s.imports)
	return coding, release, err
}

// importing is an import in progress.
type importing struct {
	server          *Server
	request         string
	trace           []byte
	share           uint64 // of its principal
	reader          *importReader
	identity        *access.Identity
	valid           func() error
	mode            importMode
	minimal         bool // only lines that fail have an outcome
	applied, failed int
}

// write applies the lines window by window, and writes their outcomes.
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

// finish writes the last line if err is io.EOF, which stands for the end of all lines. Any other
// error it returns.
func (i *importing) finish(out *lines, err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	return out.add(fmt.Sprintf("{\"end\":true,\"lines\":%d,\"applied\":%d,\"failed\":%d}\n",
		i.applied+i.failed, i.applied, i.failed))
}

// apply carries out the lines of a window side by side, and writes the outcomes in the order of the
// lines. It is an error if none of them could be carried out for long: the rest would fail, too. If
// the API stops, the next take says so.
func (i *importing) apply(out *lines, window []importLine) error {
	operations, err := i.operations(window)
	if err != nil {
		return err
	}
	results := i.server.writeAll(operations)
	settled, unsettled := 0, 0
	for n, l := range window {
		r := results[n]
		switch {
		case operations[n] == nil:
		case r.Kind.Retryable():
			unsettled++
		default:
			settled++
		}
		if l.failure == nil && r.Kind != "" {
			l.failure = lineProblem(&r)
		}
		if err := i.outcome(out, &l, r.Version); err != nil {
			return err
		}
	}
	if unsettled > 0 && settled == 0 && !i.server.stopping.Load() {
		return problem{
			kind: messages.KindUnavailable, detail: "nothing could be written for too long",
		}
	}
	return nil
}

// operations returns the operation of each line, or nil for a line that has failed already.
func (i *importing) operations(window []importLine) ([]*messages.Operation, error) {
	operations := make([]*messages.Operation, len(window))
	for n := range window {
		l := &window[n]
		if l.failure == nil {
			l.failure = i.judge(l.user)
		}
		if l.failure != nil {
			continue
		}
		id, err := newOperationID()
		if err != nil {
			return nil, err
		}
		operations[n] = &messages.Operation{
			Action: i.mode.action(), User: l.user, Document: l.document, ID: id,
			If: i.mode.condition(), Quiet: true, RequestID: i.request, Principal: i.share,
			Actor: actorOf(i.identity), Trace: i.trace,
		}
	}
	return operations, nil
}

// judge returns why the line can't be written by whoever sends it, or nil. A line is judged as a
// request of its own would be.
func (i *importing) judge(user string) error {
	if i.server.auth == nil {
		return nil
	}
	if err := i.valid(); err != nil {
		return err
	}
	switch answer, lacking := access.Decide(i.identity, lineRule, user, lineRule.Scope); answer {
	case access.Allowed:
		return nil
	case access.Forbidden:
		return lackingScope(lacking)
	default:
		return problem{kind: messages.KindNotFound}
	}
}

// lineRule is the rule of the request that a line stands for.
var lineRule = access.Find(fiber.MethodPut, "/user/:id/settings")

// outcome writes the outcome of a line, if it's wanted.
func (i *importing) outcome(out *lines, l *importLine, version int64) (err error) {
	if i.minimal && l.failure == nil {
		i.applied++
		return nil
	}
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
		object, status, err := object(l.failure, out.root, i.request)
		if err != nil {
			return err
		}
		b = strconv.AppendInt(append(b, `,"status":`...), int64(status), 10)
		b = append(append(b, `,"error":`...), object...)
	}
	b = append(b, "}\n"...)
	out.pending = b
	return out.flushIfFull()
}

// writeAll carries out writes side by side. For a while it retries those that failed temporarily or
// whose outcome is unknown.
func (s *Server) writeAll(operations []*messages.Operation) []messages.Result {
	began := time.Now()
	return s.queue.WriteAll(operations, s.config.RequestTimeout, func() bool {
		return !s.stopping.Load() && time.Since(began) <= s.timing.persistence
	})
}
