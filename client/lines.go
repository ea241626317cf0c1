package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
)

// Lines makes what [Client.Import] reads of settings, of which it takes users and documents. Where
// the sequence yields an error the import breaks off with it.
func Lines(all iter.Seq2[Settings, error]) io.ReadCloser { return &lines{all: all} }

type lines struct {
	all  iter.Seq2[Settings, error]
	next func() (Settings, error, bool) // nil before the first Read
	rest []byte                         // of the line that is being read
	err  error

	mu     sync.Mutex // not held while the sequence works
	stop   func()
	busy   bool // a Read is in progress, and stops the sequence if it is closed meanwhile
	closed bool
}

func (l *lines) Read(p []byte) (int, error) {
	if !l.begin() {
		return 0, errClosed
	}
	defer l.end()
	if len(l.rest) == 0 && l.err == nil {
		l.rest, l.err = l.line()
	}
	if len(l.rest) == 0 {
		return 0, l.err
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// begin tells whether a Read may go on.
func (l *lines) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.next == nil {
		l.next, l.stop = iter.Pull2(l.all)
	}
	l.busy = true
	return true
}

func (l *lines) end() {
	l.mu.Lock()
	l.busy = false
	closed := l.closed
	l.mu.Unlock()
	if closed {
		l.stop()
	}
}

// Close waits neither for a Read nor for the end of the sequence, which may be waiting for
// something that never comes.
func (l *lines) Close() error {
	l.mu.Lock()
	l.closed = true
	idle := l.stop != nil && !l.busy
	l.mu.Unlock()
	if idle {
		go l.stop()
	}
	return nil
}

// line is the next line, or io.EOF when there is none.
func (l *lines) line() ([]byte, error) {
	s, err, ok := l.next()
	if !ok {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	return s.line()
}

// line is a line that says that a user has a document: the document itself, if it is one line, else
// its text.
func (s *Settings) line() ([]byte, error) {
	user, err := json.Marshal(s.User)
	if err != nil {
		return nil, fmt.Errorf("outset: %w", err)
	}
	if !json.Valid(s.Document) {
		return nil, fmt.Errorf("%w: the document of user %s is not JSON", ErrMalformed, user)
	}
	if bytes.ContainsAny(s.Document, "\r\n") || len(bytes.TrimSpace(s.Document)) < len(s.Document) {
		text, err := quote(string(s.Document))
		return fmt.Appendf(nil, `{"user":%s,"text":%s}`+"\n", user, text), err
	}
	return fmt.Appendf(nil, `{"user":%s,"settings":%s}`+"\n", user, s.Document), nil
}

// quote is a string as JSON. Valid UTF-8 stays what it is; a document that has other bytes is none.
func quote(text string) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(text)
	return strings.TrimSuffix(b.String(), "\n"), err
}
