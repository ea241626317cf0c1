//go:build unix

package localpg

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// logKeep is the size past which a start sets the log aside; one older one is kept.
	logKeep = 8 << 20
	// tailLines of the log make an error understandable and still fit a terminal.
	tailLines = 12
	tailBytes = 4 << 10
)

// serverLog is the log file from the point at which one program began to write to it.
type serverLog struct {
	file  *os.File
	begin int64
}

func openLog(dir string) (*serverLog, error) {
	name := filepath.Join(dir, "postgres.log")
	if info, err := os.Stat(name); err == nil && info.Size() > logKeep {
		if err := os.Rename(name, name+".1"); err != nil {
			return nil, err
		}
	}
	// The programs inherit it as their standard output, so they need no right to open it.
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_RDWR|syscall.O_NOFOLLOW, 0o600) //nolint:gosec // the caller's directory
	if err != nil {
		return nil, err
	}
	begin, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &serverLog{file: f, begin: begin}, nil
}

// tail returns the last lines written since openLog, ready to be appended to an error.
func (l *serverLog) tail() string {
	info, err := l.file.Stat()
	if err != nil {
		return ""
	}
	from := max(l.begin, info.Size()-tailBytes)
	b, err := io.ReadAll(io.NewSectionReader(l.file, from, info.Size()-from))
	text := strings.TrimSpace(string(b))
	if err != nil || text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return "; its last lines in " + l.file.Name() + ":\n    " + strings.Join(lines, "\n    ")
}

func (l *serverLog) close() { _ = l.file.Close() }
