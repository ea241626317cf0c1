package main

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows a progress bar on standard error if that is a terminal.
type progress struct {
	bar *progressbar.ProgressBar // nil: none is shown

	mu   sync.Mutex
	size int64 // of what is done
	what string

	stop  chan struct{}
	over  sync.WaitGroup
	ended sync.Once
}

// redrawn is how often the bar is drawn.
const redrawn = 100 * time.Millisecond

// newProgress shows the bar. A size of -1 means that it is unknown.
func newProgress(what string, size int64) *progress {
	if !isTerminal(os.Stderr) {
		return &progress{}
	}
	p := &progress{what: what, stop: make(chan struct{})}
	p.bar = progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionClearOnFinish(),
	)
	_ = p.bar.RenderBlank() // errors of the bar don't matter, here and below
	p.over.Go(p.draw)
	return p
}

// draw draws the bar until it ends. Drawing whenever something is done would take long, and a
// throttle would leave out what is done last before a pause.
func (p *progress) draw() {
	ticks := time.NewTicker(redrawn)
	defer ticks.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticks.C:
			p.mu.Lock()
			size, what := p.size, p.what
			p.mu.Unlock()
			_ = p.bar.Set64(size)
			p.bar.Describe(what)
		}
	}
}

// writer counts what is written.
func (p *progress) writer(w io.Writer) io.Writer {
	if p.bar == nil {
		return w
	}
	return io.MultiWriter(w, p)
}

// Write counts bytes.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size += int64(len(b))
	return len(b), nil
}

// reach says how many bytes are done, and what that is.
func (p *progress) reach(size int64, what func() string) {
	if p.bar == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size, p.what = size, what()
}

// clear removes the bar, so that a line can be printed.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// end removes the bar for good.
func (p *progress) end() {
	if p.bar == nil {
		return
	}
	p.ended.Do(func() {
		close(p.stop)
		p.over.Wait()
		if !p.bar.IsFinished() {
			_ = p.bar.Finish()
		}
	})
}

// lineEnds remembers where the lines end that were read from it. So a bar can show what the service
// has answered, which is far behind what was sent.
type lineEnds struct {
	io.Reader
	mu        sync.Mutex
	size      int64   // of what was read
	forgotten int64   // lines, which come before
	ends      []int64 // those
}

// Read notes the ends of lines.
func (l *lineEnds) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest, at := p[:n], l.size; ; {
		i := int64(bytes.IndexByte(rest, '\n')) + 1
		if i == 0 {
			break
		}
		rest, at = rest[i:], at+i
		l.ends = append(l.ends, at)
	}
	l.size += int64(n)
	return n, err
}

// through returns the size of all lines up to this one, which counts from 1. It forgets them.
func (l *lineEnds) through(line int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := line - l.forgotten
	switch {
	case n > int64(len(l.ends)):
		return l.size // the last line has no end
	case n <= 0:
		return 0
	}
	end := l.ends[n-1]
	l.ends, l.forgotten = l.ends[n:], line
	return end
}
