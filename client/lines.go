package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
)

// Lines makes what [Client.Import] reads of settings, of which it takes users and documents. Where the sequence yields
// an error the import breaks off with it.
func Lines(all iter.Seq2[Settings, error]) io.ReadCloser {
	next, stop := iter.Pull2(all)
	return &lines{next: next, stop: stop}
}

type lines struct {
	mu   sync.Mutex // net/http may read while the import is given up
	next func() (Settings, error, bool)
	stop func()
	rest []byte // of the line that is being read
	err  error
}

func (l *lines) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
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

func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
	l.rest, l.err = nil, errors.New("outset: closed")
	return nil
}

// line is a line that says that a user has a document: the document itself, if it is one line, else its text.
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
