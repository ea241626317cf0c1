package api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/pkg/messages"
)

// NewListener returns a listener that keeps track of its connections.
func NewListener(l net.Listener) net.Listener {
	return newListener(l, time.Minute, newAdmission(1000, nil))
}

// App is what serves the requests, with its routes.
func (s *Server) App() *fiber.App { return s.app }

// Timing is timing.
type Timing struct {
	Farewell, Write, Persistence, PersistencePause, Attempt, Leftover time.Duration

	Now   func() time.Time    // nil: time.Now
	Sleep func(time.Duration) // nil: time.Sleep
}

// ListenWith is Listen with other times, and so many bytes for bodies.
func ListenWith(nc Connections, c Config, t Timing, bodyBytes int64, log *slog.Logger) (*Server, error) {
	if t.Now == nil {
		t.Now = time.Now
	}
	if t.Sleep == nil {
		t.Sleep = time.Sleep
	}
	s, err := listen(nc, c, timing{
		t.Farewell, t.Write, t.Persistence, t.PersistencePause, t.Attempt, t.Leftover,
		0, // /readyz is not kept
		t.Now, t.Sleep,
	}, log)
	if err == nil && bodyBytes > 0 {
		s.bodies = access.NewShares(bodyBytes)
	}
	return s, err
}

// Begun is how many connections have a request that is not answered yet.
func (s *Server) Begun() int { return s.listener.begun() }

// BodyBytes is how many bytes are taken for bodies.
func (s *Server) BodyBytes() int64 { return s.bodies.Held() }

// Connections is how many are counted.
func (s *Server) Connections() int { return s.listener.admission.held() }

// Paced reads from a connection as bodies are read.
func Paced(conn net.Conn, timeout time.Duration) io.Reader {
	return &paced{Reader: conn, set: conn.SetReadDeadline, timeout: timeout}
}

// ProblemRow is a row of statuses.
type ProblemRow struct {
	Status int
	Title  string
	Again  bool
}

// Problems is statuses, by kind.
func Problems() map[string]ProblemRow {
	rows := make(map[string]ProblemRow)
	for kind, entry := range statuses {
		rows[string(kind)] = ProblemRow{entry.status, entry.title, retryable(kind)}
	}
	return rows
}

// Explained lists the kinds that have a text of their own.
func Explained() []string {
	var kinds []string
	for kind := range maps.Keys(explanations) {
		kinds = append(kinds, string(kind))
	}
	slices.Sort(kinds)
	return kinds
}

// Subrequest is a subrequest.
type Subrequest struct {
	Method, Path string
	Header       [][2]string
	Body         []byte
}

// ParseMulti is parseMulti.
func ParseMulti(text []byte) (all []Subrequest, err error) {
	operations, err := parseMulti(text)
	for _, o := range operations {
		p := Subrequest{Method: o.method, Path: o.path, Body: o.body}
		for _, h := range o.header {
			p.Header = append(p.Header, [2]string{h.name, h.value})
		}
		all = append(all, p)
	}
	return all, err
}

// AcceptsGzip is acceptsGzip for a request with these lines of Accept-Encoding.
func AcceptsGzip(lines ...string) bool {
	var h fasthttp.RequestHeader
	for _, line := range lines {
		h.Add(fiber.HeaderAcceptEncoding, line)
	}
	return acceptsGzip(&h)
}

// ValueReference is valueReference.
var ValueReference = valueReference

// ValidateOrigins is what Listen says of CORS_ORIGINS.
func ValidateOrigins(list []string) error {
	_, err := parseOrigins(list)
	return err
}

// ParseImportLine reads a line of an import. The kind is that of its problem, if it has one.
func ParseImportLine(text []byte, maxDocument int) (
	user string, document []byte, end bool, kind string,
) {
	p := lineParser{maxDocument: maxDocument}
	l := p.parse(text, 1, 0)
	if l.failure != nil {
		var is problem
		errors.As(l.failure, &is)
		kind = string(is.kind)
	}
	return l.user, l.document, l.end, kind
}

// Guard returns what the API says to routes that add adds.
func (s *Server) Guard(add func(*fiber.App)) error {
	app := fiber.New()
	before := depths(app)
	add(app)
	return s.guardRoutes(app, before)
}

// Judge returns the kind of the problem that an identity has with an import's line of a user. Its
// token counts no more, unless valid.
func (s *Server) Judge(id *access.Identity, user string, valid bool) string {
	i := &importing{server: s, identity: id, valid: s.validityOf(id)}
	if valid {
		i.valid = func() error { return nil }
	}
	var p problem
	errors.As(i.judge(user), &p)
	return string(p.kind)
}

// ParseKey is parseKey, CursorID and CursorOf are what they are called.
var (
	ParseKey = parseKey
	CursorID = cursorID
	CursorOf = cursorOf
)

// ParseTags reads a list of entity tags.
func ParseTags(list string) (messages.Versions, error) {
	v, err := parseTags(list, weak, messages.ParseTag)
	if err != nil {
		return messages.Versions{}, err
	}
	return *v, nil
}

// ValidHost is validHost.
func ValidHost(host string) bool { return validHost([]byte(host)) }

// Head is what a head says: of the body's length, -1 for chunks, and of its host.
type Head struct {
	Length int
	Host   string
}

// CheckHead reads and checks the head of a request.
func CheckHead(data []byte) (Head, error) {
	var h fasthttp.RequestHeader
	if err := h.Read(bufio.NewReaderSize(bytes.NewReader(data), maxHeaders)); err != nil {
		return Head{}, err
	}
	return Head{h.ContentLength(), string(h.Host())}, checkHead(&h)
}

// TemplateOf is a route's path as OpenAPI has it.
func TemplateOf(path string) string { return templateOf(path) }

// ReadPage reads a page of users within some time, and tells what it has.
func (s *Server) ReadPage(list messages.Listing, within time.Duration) (string, error) {
	p, err := s.readPage(messages.Operation{Action: messages.ActionListUsers, List: &list}, within)
	return fmt.Sprintf("%d users, next %s, partial %s", len(p.users), p.next, p.partial), err
}

// BegunOnAdmin is Begun of the connections to the admin address.
func (s *Server) BegunOnAdmin() int { return s.listeners[1].begun() }

// Discard reads what a client sends that nobody wants, as the first of all such clients.
func Discard(r io.Reader) { discard(r, newLingerPace()) }

// The bounds of Discard.
const (
	LingerBytes = lingerBytes
	LingerRate  = lingerRate
	LingerRead  = lingerRead
	LingerTime  = lingerTime
)

// Queues are the figures of the queues "read", "write" and "part".
func (s *Server) Queues() map[string]pool.Queue { return s.queue.Figures() }
