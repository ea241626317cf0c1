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

// Lines makes what [Client.Import] reads of the users and documents of settings. An error of the
// sequence ends the import with that error.
func Lines(all iter.Seq2[Settings, error]) io.ReadCloser { return &lines{all: all} }

type lines struct {
	all  iter.Seq2[Settings, error]
	next func() (Settings, error, bool) // nil before the first Read
	rest []byte                         // of the current line
	err  error                          // of the sequence, once rest is read

	mu      sync.Mutex // not held while the sequence works
	stop    func()     // ends the sequence
	reading bool       // a Read is in progress; it stops the sequence if Close was called meanwhile
	closed  bool
}

func (l *lines) Read(p []byte) (int, error) {
	if !l.beginRead() {
		return 0, errClosed
	}
	defer l.endRead()
	if len(l.rest) == 0 && l.err == nil {
		l.rest, l.err = l.nextLine()
	}
	if len(l.rest) == 0 {
		return 0, l.err
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// beginRead returns false if the lines are closed.
func (l *lines) beginRead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.next == nil {
		l.next, l.stop = iter.Pull2(l.all)
	}
	l.reading = true
	return true
}

func (l *lines) endRead() {
	l.mu.Lock()
	l.reading = false
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
	idle := l.stop != nil && !l.reading
	l.mu.Unlock()
	if idle {
		go l.stop()
	}
	return nil
}

// nextLine returns io.EOF after the last line.
func (l *lines) nextLine() ([]byte, error) {
	s, err, ok := l.next()
	if !ok {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	return s.line()
}

// line returns the line of an import that gives the user this document: as JSON, or as a string if
// it has line breaks or white space around it, which would be lost.
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

// quote returns a JSON string in which <, > and & stay as they are.
func quote(text string) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(text)
	return strings.TrimSuffix(b.String(), "\n"), err
}
