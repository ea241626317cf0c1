package settings

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// decode reads a text into what the validator of schemas takes: maps, slices, strings, json.Number.
func decode(text []byte) (any, error) {
	d := newDecoder(text, jsontext.AllowDuplicateNames(true)) // they are looked for elsewhere
	value, err := decodeValue(d)
	if err != nil {
		return nil, malformed(err)
	}
	return value, nil
}

func decodeValue(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		return decodeObject(d)
	case '[':
		return decodeArray(d)
	case '"':
		return token.String(), nil
	case '0':
		return number(token.String()), nil
	case 't', 'f':
		return token.Bool(), nil
	}
	return nil, nil //nolint:nilnil // null
}

func decodeObject(d *jsontext.Decoder) (any, error) {
	object := map[string]any{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String() // before it is overwritten
		if object[key], err = decodeValue(d); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return object, err
}

func decodeArray(d *jsontext.Decoder) (any, error) {
	array := []any{}
	for d.PeekKind() != ']' {
		value, err := decodeValue(d)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.ReadToken()
	return array, err
}

// number is what the validator calculates with, exactly: of 1e-999999 it would make a fraction with
// a million digits. What is below the smallest double, which every reader takes for zero, is zero
// here too. Above the largest there is nothing (checkNumber).
func number(spelt string) json.Number {
	if strings.ContainsAny(spelt, "eE") {
		if f, err := strconv.ParseFloat(spelt, 64); err != nil || f == 0 {
			return "0"
		}
	}
	return json.Number(spelt)
}
