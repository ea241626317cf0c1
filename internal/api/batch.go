package api

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/pkg/messages"
)

// A batch saves its client the way for each request and nothing else: each of its operations goes
// through the same handlers as a request of its own, and gets the same answer.

// What a batch may have.
const (
	maxBatch      = 100
	batchOverhead = 4 << 10 // bytes of an operation beside its body
)

// beganKey is where an operation of a batch has the time at which the batch began: they share the
// time for a request.
const beganKey = "began"

// batchPath is where batches are sent.
const batchPath = "/batch"

// inResults are the headers of an answer that say something about it, and not about the message
// that it comes in.
var inResults = []string{
	fiber.HeaderContentType, fiber.HeaderETag, fiber.HeaderLastModified, fiber.HeaderLocation,
	fiber.HeaderLink, fiber.HeaderRetryAfter,
	headerIdempotencyReplayed, headerPreferenceApplied, headerAcceptPatch, fiber.HeaderAllow,
	fiber.HeaderXRequestID,
}

// bodyLimit is how many bytes the body of a request may have.
func (s *Server) bodyLimit(h *fasthttp.RequestHeader) int {
	if h.IsPost() {
		if path, _, _ := bytes.Cut(h.RequestURI(), []byte("?")); string(path) == batchPath {
			return s.batchLimit()
		}
	}
	return s.config.MaxDocument
}

func (s *Server) batchLimit() int { return maxBatch * (s.config.MaxDocument + batchOverhead) }

// postBatch carries out the operations of a batch: those of one user one after the other, those of
// different users side by side, so that they share messages to the workers.
func (s *Server) postBatch(c *fiber.Ctx) error {
	taken := room{of: s.batches}
	err := s.takeBatch(c, &taken)
	if err != nil {
		taken.leave()
	}
	return err
}

// takeBatch reads the batch, once there is room for it and its answers, and answers it.
func (s *Server) takeBatch(c *fiber.Ctx, room *room) error {
	length := c.Request().Header.ContentLength()
	if length < 0 || length > s.batchLimit() {
		length = s.batchLimit()
	}
	if err := room.take(length); err != nil {
		endAfter(c)
		return err
	}
	if err := s.readBody(c); err != nil {
		return err
	}
	body, _, err := bodyOf(c, fiber.MIMEApplicationJSON)
	if err != nil {
		return err
	}
	operations, err := parseBatch(body)
	if err != nil {
		detail := "the batch can't be read: " + strings.TrimPrefix(err.Error(), "jsontext: ")
		return problem{kind: messages.KindMalformed, detail: messages.Detail(detail)}
	}
	if err := room.take(len(operations) * s.config.MaxDocument); err != nil { // for the answers
		return err
	}
	return sendResults(c, operations, s.carryOutAll(c, operations), room)
}

// carryOutAll returns the requests that were made of the operations, with their answers.
func (s *Server) carryOutAll(c *fiber.Ctx, operations []batchOperation) []fasthttp.RequestCtx {
	began := time.Now()
	requests := make([]fasthttp.RequestCtx, len(operations))
	var users sync.WaitGroup
	for _, places := range byUser(operations) {
		users.Go(func() {
			for _, i := range places {
				operations[i].begin(&requests[i], c.Context(), batchID(requestID(c), i))
				requests[i].SetUserValue(beganKey, began)
				s.carryOut(&operations[i], &requests[i])
			}
		})
	}
	users.Wait()
	return requests
}

// batchID is the request id of an operation that has none of its own.
func batchID(batch string, place int) string {
	end := "." + strconv.Itoa(place)
	return batch[:min(len(batch), messages.MaxRequestID-len(end))] + end
}

// byUser returns the places of the operations by their users, whichever way these are spelt.
func byUser(operations []batchOperation) map[string][]int {
	users := make(map[string][]int)
	for i := range operations {
		user, _, _ := strings.Cut(strings.TrimPrefix(operations[i].resource(), "/user/"), "/")
		if id, err := url.PathUnescape(user); err == nil {
			user = id
		}
		users[user] = append(users[user], i)
	}
	return users
}

// begin makes a request of the operation, as part of the batch that came with from, without headers
// of its own and body.
func (o *batchOperation) begin(r, from *fasthttp.RequestCtx, id string) {
	r.Init(&fasthttp.Request{}, from.RemoteAddr(), nil)
	h := &r.Request.Header
	h.SetMethod(o.method)
	h.SetRequestURI(o.path)
	h.SetHostBytes(from.Request.Host())
	h.Set(fiber.HeaderXRequestID, id)
}

// fill adds the headers and the body.
func (o *batchOperation) fill(r *fasthttp.RequestCtx) {
	h := &r.Request.Header
	if o.body != nil {
		h.SetContentType(fiber.MIMEApplicationJSON)
		r.Request.SetBodyRaw(o.body)
	}
	given := make(map[string]bool)
	for _, line := range o.header {
		if name := strings.ToLower(line.name); given[name] {
			h.Add(line.name, line.value)
		} else {
			h.Set(line.name, line.value) // in the place of ours
			given[name] = true
		}
	}
}

// carryOut answers an operation as a request of its own would be answered.
func (s *Server) carryOut(o *batchOperation, r *fasthttp.RequestCtx) {
	switch {
	case !o.inReach():
		s.refuse(r, fiber.ErrNotFound)
	case o.headerSize() > maxHeaders:
		s.refuse(r, fiber.ErrRequestHeaderFieldsTooLarge)
	case len(o.body) > s.config.MaxDocument:
		s.refuse(r, fiber.ErrRequestEntityTooLarge)
	default:
		o.fill(r)
		s.handle(r)
	}
}

// refuse answers a request that doesn't come to a handler.
func (s *Server) refuse(r *fasthttp.RequestCtx, why error) {
	c := s.app.AcquireCtx(r)
	defer s.app.ReleaseCtx(c)
	if err := s.fail(c, why); err != nil {
		r.SetStatusCode(fasthttp.StatusInternalServerError)
	}
}

// resource is the path without the query.
func (o *batchOperation) resource() string {
	path, _, _ := strings.Cut(o.path, "?")
	return path
}

// inReach tells whether a batch can have this operation: it is about a user, and its answer comes
// to an end.
func (o *batchOperation) inReach() bool {
	segments := strings.Split(o.resource(), "/")
	return len(segments) > 2 && segments[1] == "user" &&
		(len(segments) != 4 || segments[3] != "events")
}

// headerSize is about the bytes that the request line and the headers would have.
func (o *batchOperation) headerSize() int {
	size := len(o.method) + len(o.path) + len("  HTTP/1.1\r\n\r\n")
	for _, h := range o.header {
		size += len(h.name) + len(h.value) + len(": \r\n")
	}
	return size
}

// sendResults answers the batch with the answers to its operations, and leaves the room when that
// was sent.
func sendResults(c *fiber.Ctx, operations []batchOperation, requests []fasthttp.RequestCtx,
	room *room,
) (err error) {
	size := 0
	for i := range requests {
		size += 400 + len(requests[i].Response.Body())
	}
	b := append(make([]byte, 0, size), `{"results":[`...)
	for i := range requests {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendResult(b, operations[i].method, &requests[i].Response); err != nil {
			return fmt.Errorf("operation %d of a batch: %w", i, err)
		}
		requests[i].Response.ResetBody() // one of the two is enough
	}
	b = append(b, ']', '}')
	c.Context().SetContentType(fiber.MIMEApplicationJSON)
	c.Context().SetBodyStream(&roomy{bytes.NewReader(b), room}, len(b))
	return nil
}

// appendResult appends an answer as JSON. Its body, which is JSON itself, stays as it is.
func appendResult(b []byte, method string, r *fasthttp.Response) (_ []byte, err error) {
	b = strconv.AppendInt(append(b, `{"status":`...), int64(r.StatusCode()), 10)
	b = append(b, `,"headers":{`...)
	separator := ""
	for name, value := range r.Header.All() {
		i := slices.IndexFunc(inResults, func(n string) bool {
			return strings.EqualFold(n, string(name))
		})
		// which fasthttp makes up
		if i < 0 || inResults[i] == fiber.HeaderContentType && len(r.Body()) == 0 {
			continue
		}
		b = append(append(append(b, separator...), '"'), inResults[i]...)
		if b, err = jsontext.AppendQuote(append(b, `":`...), value); err != nil {
			return nil, err
		}
		separator = ","
	}
	b = append(b, '}')
	if body := r.Body(); len(body) > 0 && method != fiber.MethodHead {
		b = append(append(b, `,"body":`...), body...)
	}
	return append(b, '}'), nil
}
