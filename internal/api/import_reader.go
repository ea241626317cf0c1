package api

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/internal/compute"
	"github.com/outset-settings/outset/pkg/messages"
)

// The most lines, and about the most bytes, that an import reads ahead and applies side by side.
const (
	windowLines = 256
	windowBytes = 1 << 20
)

// lineOverhead is how many bytes a line may have beside its document. A byte of the document can
// take six in a string.
const lineOverhead = 4 << 10

// byteOrderMark is what some editors and spreadsheets put before a text in UTF-8.
var byteOrderMark = []byte("\ufeff")

// stopCheck is how often an import that waits for its client checks whether the API stops.
const stopCheck = 200 * time.Millisecond

// importReader reads the lines of an import ahead on its own goroutine: it collects the next window
// while one is applied. A window is applied as soon as it has a line, so a client may also wait for
// the outcomes of the lines that it has sent.
type importReader struct {
	ctx    *fasthttp.RequestCtx
	body   paced
	in     *bufio.Reader
	parser lineParser
	zipped bool   // the body is gzip
	quiet  int    // bytes since the last line with an outcome
	most   int    // bytes of a line
	line   []byte // what has been read of it
	came   bool   // a line that can be applied, since the deadline was last set
	before int    // lines since the beginning, or the last end, without blank ones

	reading sync.WaitGroup
	news    chan struct{} // there may be lines
	space   chan struct{} // there may be space for more lines
	quit    chan struct{} // closed by close

	mu     sync.Mutex
	lines  []importLine
	bytes  int
	err    error // how it ended, after the lines
	closed bool
}

func newImportReader(ctx *fasthttp.RequestCtx, config Config, zipped bool) *importReader {
	r := &importReader{
		ctx: ctx, body: paced{Reader: streamOf(ctx), timeout: config.ReadTimeout},
		parser: lineParser{maxDocument: config.MaxDocument},
		most:   6*config.MaxDocument + lineOverhead,
		came:   true, news: make(chan struct{}, 1), space: make(chan struct{}, 1),
		quit: make(chan struct{}),
	}
	if r.body.Reader == nil {
		r.body.Reader = http.NoBody
	}
	r.body.set = r.setDeadline
	var in io.Reader = r
	if r.zipped = zipped; zipped {
		in = &inflater{from: r}
	}
	r.in = bufio.NewReaderSize(in, chunkSize)
	return r
}

// start begins reading.
func (r *importReader) start() { r.reading.Go(r.run) }

// close ends reading, and returns when the goroutine has ended. Call it once.
func (r *importReader) close() {
	close(r.quit)
	r.mu.Lock()
	r.closed = true
	_ = r.ctx.SetReadDeadline(time.Now()) // fails if the connection is gone
	r.mu.Unlock()
	r.reading.Wait()
}

// readsOn tells whether the end of the body has not been read yet.
func (r *importReader) readsOn() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err == nil
}

// run reads lines until their end or close.
func (r *importReader) run() {
	err := r.readAll()
	var p problem
	switch {
	case err == nil:
		err = io.EOF
	case errors.As(err, &p):
	case timedOut(err):
		err = problem{kind: kindTimeout, detail: "no line arrived in time"}
	default:
		err = problem{
			kind:   messages.KindMalformed,
			detail: "this is not a valid HTTP body (RFC 9112)",
		}
	}
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
	signal(r.news)
}

// readAll reads all lines and hands them to put. It returns nil at their end or after close.
func (r *importReader) readAll() error {
	for number := 1; ; number++ {
		text, size, err := r.readLine()
		if number == 1 {
			text = bytes.TrimPrefix(text, byteOrderMark)
		}
		last := errors.Is(err, io.EOF)
		switch {
		case last && brokenOff(r.ctx), errors.Is(err, io.ErrUnexpectedEOF):
			return problem{kind: messages.KindMalformed, detail: "the request ended too early"}
		case err != nil && !last:
			return err
		}
		if l, ok := r.lineOf(text, size, number); ok {
			r.came, r.quiet = l.failure == nil, 0
			if !r.put(l) {
				return nil
			}
		}
		if last {
			return nil
		}
	}
}

// lineOf parses a line. ok is false if it has no outcome, because it is blank or the valid end of
// an export. After an end lines are counted from 0, so that exports can be sent one after the
// other.
func (r *importReader) lineOf(text []byte, size, number int) (l importLine, ok bool) {
	if size > r.most {
		r.before++
		return importLine{number: number, failure: tooLarge("a line", r.most)}, true
	}
	if len(bytes.Trim(text, " \t\r\n")) == 0 {
		return importLine{}, false
	}
	compute.Over(len(text), func() { l = r.parser.parse(text, number, r.before) })
	if r.before++; l.end {
		r.before = 0
	}
	return l, !l.end || l.failure != nil
}

// readLine returns the next line and its size. The text of a line that is too long is incomplete.
func (r *importReader) readLine() (text []byte, size int, err error) {
	r.line = r.line[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if size += len(part); size <= r.most {
			r.line = append(r.line, part...)
		}
		// What is compressed costs its sender next to nothing, and holds no deadline up.
		if r.quiet += len(part); r.zipped && r.quiet > r.most+maxQuiet {
			return nil, 0, tooLarge("a line, or what is between two lines,", r.most)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return r.line, size, err
		}
	}
}

// Read reads from the body, at the least rate at least. A line that can be applied makes up for all
// the time before it, so a client may send one and wait for its outcome. What has been sent of
// blank lines and the like, beyond the length of a line, counts for nothing.
func (r *importReader) Read(p []byte) (int, error) {
	if r.came {
		r.came, r.body.spent = false, 0
	}
	r.body.idle = r.quiet > r.most
	return r.body.Read(p)
}

// setDeadline sets the deadline of the next read, unless close has set one.
func (r *importReader) setDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return net.ErrClosed
	}
	return r.ctx.SetReadDeadline(t)
}

// put waits for space and adds the line. It returns false after close.
func (r *importReader) put(l importLine) bool {
	for {
		r.mu.Lock()
		if fits := len(r.lines) < windowLines && r.bytes < windowBytes; fits {
			r.lines = append(r.lines, l)
			r.bytes += l.size()
			r.mu.Unlock()
			signal(r.news)
			return true
		}
		r.mu.Unlock()
		select {
		case <-r.space:
		case <-r.quit:
			return false
		}
	}
}

// take waits for lines and returns those that have arrived, up to the first whose user is among
// them already. Its error is io.EOF after the last line, or a problem, also if the API is stopping.
func (r *importReader) take(stopping func() bool) ([]importLine, error) {
	for !stopping() {
		if lines, err := r.taken(); len(lines) > 0 || err != nil {
			return lines, err
		}
		select {
		case <-r.news:
		case <-time.After(stopCheck):
		}
	}
	return nil, problem{kind: messages.KindUnavailable, detail: "the API is stopping"}
}

func (r *importReader) taken() ([]importLine, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) == 0 {
		return nil, r.err
	}
	n, users := 0, make(map[string]bool, len(r.lines))
	for ; n < len(r.lines) && !users[r.lines[n].user]; n++ {
		if l := &r.lines[n]; l.failure == nil {
			users[l.user] = true
		}
		r.bytes -= r.lines[n].size()
	}
	lines := r.lines[:n:n]
	r.lines = append([]importLine(nil), r.lines[n:]...)
	signal(r.space)
	return lines, nil
}

// signal wakes whoever waits on c, or the next who does.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
