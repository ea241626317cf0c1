package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows a progress bar on standard error if that is a terminal.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress shows the bar. A size of -1 means that it is unknown.
func newProgress(what string, size int64) progress {
	if !isTerminal(os.Stderr) {
		return progress{}
	}
	bar := progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionClearOnFinish(),
	)
	_ = bar.RenderBlank() // errors of the bar don't matter, here and below
	return progress{bar}
}

// reader counts what is read.
func (p progress) reader(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	return io.TeeReader(r, p)
}

// writer counts what is written.
func (p progress) writer(w io.Writer) io.Writer {
	if p.bar == nil {
		return w
	}
	return io.MultiWriter(w, p)
}

// Write counts bytes. It ignores the bar's errors, for instance that a file has grown meanwhile.
func (p progress) Write(b []byte) (int, error) {
	_ = p.bar.Add(len(b))
	return len(b), nil
}

// clear removes the bar, so that a line can be printed.
func (p progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// end removes the bar for good.
func (p progress) end() {
	if p.bar != nil && !p.bar.IsFinished() {
		_ = p.bar.Finish()
	}
}
