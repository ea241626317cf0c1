package schema

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outset-settings/outset/internal/jsontree"
)

// maxDepth is how deep what is read may be: twice as deep as documents may be, for so deep defaults
// may make them. The library recurses.
const maxDepth = 256

var errDeep = errors.New("nested too deep")

// decode reads a text into what the library takes: maps, slices, strings, json.Number. Keys may be
// repeated: that is checked elsewhere.
func decode(text []byte) (any, error) {
	d := decoder{jsontree.NewDecoder(text, jsontext.AllowDuplicateNames(true))}
	value, err := d.value()
	if err != nil && !errors.Is(err, errDeep) {
		return nil, jsontree.Malformed(text, err)
	}
	return value, err
}

type decoder struct{ *jsontext.Decoder }

func (d decoder) value() (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	if d.StackDepth() > maxDepth {
		return nil, errDeep
	}
	switch token.Kind() {
	case '{':
		return d.object()
	case '[':
		return d.array()
	case '"':
		return token.String(), nil
	case '0':
		return number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	}
	return nil, nil //nolint:nilnil // null
}

func (d decoder) object() (any, error) {
	object := map[string]any{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String() // before it is overwritten
		if object[key], err = d.value(); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return object, err
}

func (d decoder) array() (any, error) {
	array := []any{}
	for d.PeekKind() != ']' {
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.ReadToken()
	return array, err
}

// number is what the library calculates with, exactly: of 1e-999999 it would make a fraction with
// a million digits. What is below the smallest double, which every reader takes for zero, is zero
// here, too. Documents have no number above the largest.
func number(spelt string) json.Number {
	if strings.ContainsAny(spelt, "eE") {
		if f, err := strconv.ParseFloat(spelt, 64); err != nil || f == 0 {
			return "0"
		}
	}
	return json.Number(spelt)
}
