package api

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/outset-settings/outset/pkg/messages"
)

// What of an import is read ahead at most, and applied side by side: lines, and about how many
// bytes.
const (
	windowLines = 256
	windowBytes = 1 << 20
)

// endOfLine is how much longer than six times its document a line may be: a character can take six
// in a string.
const endOfLine = 4 << 10

// stopCheck is how often an import that waits for its client looks whether the API stops.
const stopCheck = 200 * time.Millisecond

// importReader reads the lines of an import ahead, on a goroutine of its own: while one window is
// applied the next comes together. That also takes lines from a client who waits for the outcomes
// of those it has sent.
type importReader struct {
	ctx     *fasthttp.RequestCtx
	body    io.Reader
	timeout time.Duration // for a line to come
	in      *bufio.Reader
	parser  lineParser
	most    int // bytes of a line
	long    []byte
	came    bool // a line with an outcome, since the deadline was last set
	before  int  // lines since the beginning, or the last end, without blank ones

	reading sync.WaitGroup
	news    chan struct{} // there may be lines
	space   chan struct{} // there may be space for more lines
	quit    chan struct{} // nobody wants any more

	mu     sync.Mutex
	lines  []importLine
	bytes  int
	err    error // how it ended, after the lines
	closed bool
}

func newImportReader(ctx *fasthttp.RequestCtx, config Config) *importReader {
	r := &importReader{
		ctx: ctx, body: ctx.RequestBodyStream(), timeout: config.ReadTimeout,
		parser: lineParser{maxDocument: config.MaxDocument}, most: 6*config.MaxDocument + endOfLine,
		came: true, news: make(chan struct{}, 1), space: make(chan struct{}, 1),
		quit: make(chan struct{}),
	}
	if r.body == nil { // there is none
		r.body = http.NoBody
	}
	r.in = bufio.NewReaderSize(r, chunkSize)
	return r
}

// start begins to read.
func (r *importReader) start() { r.reading.Go(r.run) }

// close ends reading and returns when nothing reads any more. It is called once.
func (r *importReader) close() {
	close(r.quit)
	r.mu.Lock()
	r.closed = true
	_ = r.ctx.SetReadDeadline(time.Now()) // fails if the connection is away
	r.mu.Unlock()
	r.reading.Wait()
}

// run reads lines until there are no more, or nobody wants them.
func (r *importReader) run() {
	err := r.readAll()
	var p problem
	switch {
	case err == nil:
		err = io.EOF
	case errors.As(err, &p):
	case timedOut(err):
		err = problem{kind: kindTimeout, detail: "no line came in time"}
	default:
		err = problem{
			kind:   messages.KindMalformed,
			detail: "this is no body that can be understood (RFC 9112)",
		}
	}
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
	signal(r.news)
}

// readAll reads and puts all lines. It returns nil at their end.
func (r *importReader) readAll() error {
	for number := 1; ; number++ {
		text, size, err := r.readLine()
		last := errors.Is(err, io.EOF)
		switch {
		case last && brokenOff(r.ctx), errors.Is(err, io.ErrUnexpectedEOF):
			return problem{kind: messages.KindMalformed, detail: "the request broke off"}
		case err != nil && !last:
			return err
		}
		if l, ok := r.lineOf(text, size, number); ok {
			if r.came = true; !r.put(l) {
				return nil
			}
		}
		if last {
			return nil
		}
	}
}

// lineOf makes a line of its text, unless there is nothing to answer: it is blank, or the end of an
// export as it should be. After an end the lines are counted anew, so that exports can be sent one
// after the other.
func (r *importReader) lineOf(text []byte, size, number int) (l importLine, ok bool) {
	if size > r.most {
		r.before++
		return importLine{number: number, failure: tooLarge("a line", r.most)}, true
	}
	if text = bytes.Trim(text, " \t\r\n"); len(text) == 0 {
		return importLine{}, false
	}
	l = r.parser.parse(text, number, r.before)
	if r.before++; l.end {
		r.before = 0
	}
	return l, !l.end || l.failure != nil
}

// readLine returns the next line and its size. Of one that is too long there is no text.
func (r *importReader) readLine() (text []byte, size int, err error) {
	r.long = r.long[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if size += len(part); size <= r.most {
			r.long = append(r.long, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return r.long, size, err
		}
	}
}

// Read reads from the body. Whenever a line has come there is time for the next. Those that ask for
// nothing give no time, or they would keep the place of an import for ever.
func (r *importReader) Read(p []byte) (int, error) {
	if r.came {
		r.came = false
		r.mu.Lock()
		if !r.closed {
			_ = r.ctx.SetReadDeadline(time.Now().Add(r.timeout)) // or the read fails, too
		}
		r.mu.Unlock()
	}
	return r.body.Read(p)
}

// put waits for space for a line, and returns false when nobody wants it any more.
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

// take waits for lines and returns those that have come, up to a user who is among them already.
// Its error is io.EOF after the last of all, or a problem, as when the API is stopping.
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

// signal tells of news to whoever waits, or will.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
