package jsontree

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Scan returns the bytes of the value at the path, which are a part of the text, or nil if there is
// none. That is what [Node.Find] finds in the tree, but Scan builds none and stops behind the
// value. So it doesn't notice what is wrong after that. Its errors wrap [ErrMalformed].
func Scan(text []byte, path []string) ([]byte, error) {
	s := scanner{NewDecoder(text, jsontext.AllowDuplicateNames(true))}
	for _, token := range path {
		found, err := s.enter(token)
		if err != nil {
			return nil, Malformed(text, err)
		}
		if !found {
			return nil, nil
		}
	}
	value, err := s.ReadValue()
	if err != nil {
		return nil, Malformed(text, err)
	}
	return slices.Clip([]byte(value)), nil
}

type scanner struct{ *jsontext.Decoder }

// enter goes into the next value, up to the one that the token leads to. It reads to the end of an
// object or array that has none.
func (s scanner) enter(token string) (found bool, err error) {
	switch s.PeekKind() {
	case '{':
		return s.member(token)
	case '[':
		if i, ok := index(token); ok {
			return s.element(i)
		}
	}
	_, err = s.ReadValue()
	return false, err
}

// member finds the first of its key.
func (s scanner) member(key string) (found bool, err error) {
	if _, err := s.ReadToken(); err != nil {
		return false, err
	}
	for s.PeekKind() != '}' {
		name, err := s.ReadValue()
		if err != nil {
			return false, err
		}
		if says(name, key) {
			return true, nil
		}
		if _, err := s.ReadValue(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// says reports whether a JSON string says the text. It copies only what has escapes.
func says(spelt []byte, text string) bool {
	if bytes.IndexByte(spelt, '\\') < 0 {
		return string(spelt[1:len(spelt)-1]) == text
	}
	unquoted, err := jsontext.AppendUnquote(nil, spelt)
	return err == nil && string(unquoted) == text
}

func (s scanner) element(i int) (found bool, err error) {
	if _, err := s.ReadToken(); err != nil {
		return false, err
	}
	for ; s.PeekKind() != ']'; i-- {
		if i == 0 {
			return true, nil
		}
		if _, err := s.ReadValue(); err != nil {
			return false, err
		}
	}
	return false, nil
}
