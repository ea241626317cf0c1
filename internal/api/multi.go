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

	"github.com/outset-settings/outset/internal/compute"
	"github.com/outset-settings/outset/pkg/messages"
)

// A multi-request (POST /batch) saves its client a round trip for each of its subrequests, and does
// nothing else: each subrequest goes through the same handlers as a single request, and gets the
// same answer.

// The limits of a multi-request.
const (
	maxSubrequests     = 100
	subrequestOverhead = 4 << 10 // bytes of a subrequest beside its body
)

// beganKey is the key of the time at which the multi-request of a subrequest began. All subrequests
// share the time of one request.
const beganKey = "began"

// multiPath is where multi-requests are sent.
const multiPath = "/batch"

// resultHeaders are the headers that the result of a subrequest has: those about the answer, and
// not about the message that carries it.
var resultHeaders = []string{
	fiber.HeaderContentType, fiber.HeaderETag, fiber.HeaderLastModified, fiber.HeaderLocation,
	fiber.HeaderLink, fiber.HeaderRetryAfter, headerIdempotencyReplayed, headerPreferenceApplied,
	headerAcceptPatch, fiber.HeaderAcceptEncoding, fiber.HeaderAllow, fiber.HeaderXRequestID,
}

// bodyLimit is how many bytes the body of a request may have.
func (s *Server) bodyLimit(h *fasthttp.RequestHeader) int {
	if h.IsPost() && targetPath(h) == multiPath {
		return s.multiLimit()
	}
	return s.config.MaxDocument
}

// targetPath is the path that a request is for, as the router finds it: a target may have a scheme
// and a host as well (RFC 9112, section 3.2.2).
func targetPath(h *fasthttp.RequestHeader) string {
	uri := fasthttp.AcquireURI()
	defer fasthttp.ReleaseURI(uri)
	if err := uri.Parse(nil, h.RequestURI()); err != nil {
		return ""
	}
	return string(uri.PathOriginal())
}

func (s *Server) multiLimit() int {
	return maxSubrequests * (s.config.MaxDocument + subrequestOverhead)
}

// postMulti carries out the subrequests of a multi-request: those of one user one after the other,
// those of different users side by side, so that they share batches.
func (s *Server) postMulti(c *fiber.Ctx) error {
	leave, err := s.takePlace(c, s.batching, "batches")
	if err != nil {
		endAfter(c)
		return err
	}
	taken := room{of: s.bodies, who: s.sharer(c)}
	release := sync.OnceFunc(func() {
		taken.release()
		leave()
	})
	err = s.answerMulti(c, &taken, release)
	if err != nil {
		release()
	}
	return err
}

// answerMulti reads and answers the multi-request. It takes room for the body while that arrives,
// and for the answers before it carries anything out: afterwards they couldn't be refused any more.
func (s *Server) answerMulti(c *fiber.Ctx, taken *room, release func()) error {
	if waits(c) {
		_, _, err := bodyOf(c, fiber.MIMEApplicationJSON)
		return err
	}
	if err := s.readBody(c, taken); err != nil {
		return err
	}
	body, _, err := bodyOf(c, fiber.MIMEApplicationJSON)
	if err != nil {
		return err
	}
	var subrequests []subrequest
	compute.Over(len(body), func() { subrequests, err = parseMulti(body) })
	if err != nil {
		return problem{
			kind:   messages.KindMalformed,
			detail: messages.Detail("the batch can't be read: " + err.Error()),
		}
	}
	if !taken.take(len(subrequests) * s.config.MaxDocument) { // for the answers
		return errNoRoom
	}
	results := s.carryOutAll(c, subrequests)
	delayLike(c, results)
	return sendResults(c, subrequests, results, release)
}

// carryOutAll carries out the subrequests, and returns the request of each with its answer.
func (s *Server) carryOutAll(c *fiber.Ctx, subrequests []subrequest) []fasthttp.RequestCtx {
	began, client, span := time.Now(), s.clientAddr(c), s.spanOf(c)
	requests := make([]fasthttp.RequestCtx, len(subrequests))
	var users sync.WaitGroup
	for _, indexes := range byUser(subrequests) {
		users.Go(func() {
			for _, i := range indexes {
				subrequests[i].begin(&requests[i], c.Context(), subrequestID(requestID(c), i))
				requests[i].SetUserValue(beganKey, began)
				if s.auth != nil { // each subrequest is judged again, as its sender's own
					requests[i].SetUserValue(identityKey, identityOf(c))
				}
				requests[i].SetUserValue(clientKey, client)
				if s.config.Tracer != nil {
					requests[i].SetUserValue(parentKey, span)
				}
				s.carryOut(&subrequests[i], &requests[i])
			}
		})
	}
	users.Wait()
	return requests
}

// subrequestID is the request id of a subrequest that has none of its own.
func subrequestID(multi string, index int) string {
	end := "." + strconv.Itoa(index)
	return multi[:min(len(multi), messages.MaxRequestID-len(end))] + end
}

// byUser returns the indexes of the subrequests by user, however the user id is encoded.
func byUser(subrequests []subrequest) map[string][]int {
	users := make(map[string][]int)
	for i := range subrequests {
		user, _, _ := strings.Cut(strings.TrimPrefix(subrequests[i].resource(), "/user/"), "/")
		if id, err := url.PathUnescape(user); err == nil {
			user = id
		}
		users[user] = append(users[user], i)
	}
	return users
}

// begin initializes the request of a subrequest of the multi-request from. fill adds its headers
// and its body.
func (sub *subrequest) begin(r, from *fasthttp.RequestCtx, id string) {
	r.Init(&fasthttp.Request{}, from.RemoteAddr(), nil)
	h := &r.Request.Header
	h.SetMethod(sub.method)
	h.SetRequestURI(sub.path)
	h.SetHostBytes(from.Request.Host())
	h.Set(fiber.HeaderXRequestID, id)
}

// fill adds the headers and the body.
func (sub *subrequest) fill(r *fasthttp.RequestCtx) {
	h := &r.Request.Header
	if sub.body != nil {
		h.SetContentType(fiber.MIMEApplicationJSON)
		r.Request.SetBodyRaw(sub.body)
	}
	given := make(map[string]bool)
	for _, line := range sub.header {
		if name := strings.ToLower(line.name); given[name] {
			h.Add(line.name, line.value)
		} else {
			h.Set(line.name, line.value) // replaces a default
			given[name] = true
		}
	}
}

// carryOut answers a subrequest as a single request would be answered.
func (s *Server) carryOut(sub *subrequest, r *fasthttp.RequestCtx) {
	switch {
	case !sub.allowed():
		s.refuse(r, fiber.ErrNotFound)
	case sub.headerSize() > maxHeaders:
		s.refuse(r, fiber.ErrRequestHeaderFieldsTooLarge)
	case len(sub.body) > s.config.MaxDocument:
		s.refuse(r, fiber.ErrRequestEntityTooLarge)
	default:
		sub.fill(r)
		s.handle(r)
	}
}

// refuse answers a subrequest that reaches no handler. It counts like any other.
func (s *Server) refuse(r *fasthttp.RequestCtx, why error) {
	c := s.app.AcquireCtx(r)
	defer s.app.ReleaseCtx(c)
	if err := s.count(c, identityOf(c)); err != nil {
		why = err
	}
	if err := s.fail(c, why); err != nil {
		r.SetStatusCode(fasthttp.StatusInternalServerError)
	}
}

// resource is the path without the query.
func (sub *subrequest) resource() string {
	path, _, _ := strings.Cut(sub.path, "?")
	return path
}

// allowed tells whether the path is one for subrequests: it is a user's, and not about events,
// whose answer has no end and whose cookie is for a browser.
func (sub *subrequest) allowed() bool {
	segments := strings.Split(sub.resource(), "/")
	return len(segments) > 2 && segments[1] == "user" &&
		(len(segments) < 4 || segments[3] != "events")
}

// headerSize is about how many bytes the request line and the headers would have.
func (sub *subrequest) headerSize() int {
	size := len(sub.method) + len(sub.path) + len("  HTTP/1.1\r\n\r\n")
	for _, h := range sub.header {
		size += len(h.name) + len(h.value) + len(": \r\n")
	}
	return size
}

// sendResults answers the multi-request with the answers to its subrequests. It releases the room
// when that was sent.
func sendResults(c *fiber.Ctx, subrequests []subrequest, requests []fasthttp.RequestCtx,
	release func(),
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
		if b, err = appendResult(b, subrequests[i].method, &requests[i].Response); err != nil {
			return fmt.Errorf("subrequest %d: %w", i, err)
		}
		requests[i].Response.ResetBody() // the copy in b is enough
	}
	if b = append(b, ']', '}'); negotiate(c.Context(), len(b)) {
		b = compressed(b)
	}
	c.Context().SetContentType(fiber.MIMEApplicationJSON)
	c.Context().SetBodyStream(&releasingReader{bytes.NewReader(b), release}, len(b))
	return nil
}

// appendResult appends an answer as JSON. Its body is JSON already and is copied unchanged.
func appendResult(b []byte, method string, r *fasthttp.Response) (_ []byte, err error) {
	b = strconv.AppendInt(append(b, `{"status":`...), int64(r.StatusCode()), 10)
	b = append(b, `,"headers":{`...)
	separator := ""
	for name, value := range r.Header.All() {
		i := slices.IndexFunc(resultHeaders, func(n string) bool {
			return strings.EqualFold(n, string(name))
		})
		// fasthttp adds a Content-Type even without a body
		if i < 0 || resultHeaders[i] == fiber.HeaderContentType && len(r.Body()) == 0 {
			continue
		}
		b = append(append(append(b, separator...), '"'), resultHeaders[i]...)
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

// releasingReader is a response body that releases its room when it was sent, or sending failed.
type releasingReader struct {
	*bytes.Reader

	release func()
}

// Close is called by fasthttp.
func (r *releasingReader) Close() error {
	r.release()
	return nil
}
