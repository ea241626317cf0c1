package e2e

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// The model's own JSON operations are written to be right at a glance: they decode everything, each
// time.

func encoded(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// decoded keeps numbers as they are spelt.
func decoded(text string) (v any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// member is a key of an object with the bytes of its value.
type member struct{ key, value string }

// members are those of an object in their order, without some keys.
func members(text string, without map[string]bool) (all []member) {
	d := json.NewDecoder(strings.NewReader(text))
	_, _ = d.Token() // {
	for d.More() {
		key, _ := d.Token()
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil
		}
		if name, ok := key.(string); ok && !without[name] {
			all = append(all, member{name, string(value)})
		}
	}
	return all
}

// raw returns the bytes of the value at a path.
func raw(text string, path []string) (string, bool) {
	for _, token := range path {
		var (
			object map[string]json.RawMessage
			array  []json.RawMessage
			value  json.RawMessage
			ok     bool
		)
		if json.Unmarshal([]byte(text), &object) == nil {
			value, ok = object[token]
		} else if json.Unmarshal([]byte(text), &array) == nil {
			var i int
			if i, ok = index(token, len(array)); ok {
				value = array[i]
			}
		}
		if !ok {
			return "", false
		}
		text = string(value)
	}
	return text, true
}

// index is that of an element of an array with n of them.
func index(token string, n int) (int, bool) {
	i, err := strconv.Atoi(token)
	return i, err == nil && i >= 0 && i < n && strconv.Itoa(i) == token
}

// find returns the value at a path.
func find(in any, path []string) (any, bool) {
	for _, token := range path {
		ok := false
		switch at := in.(type) {
		case map[string]any:
			in, ok = at[token]
		case []any:
			var i int
			if i, ok = index(token, len(at)); ok {
				in = at[i]
			}
		}
		if !ok {
			return nil, false
		}
	}
	return in, true
}

// merge is RFC 7396 as it is written there.
func merge(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged := make(map[string]any)
	if t, ok := target.(map[string]any); ok {
		maps.Copy(merged, t)
	}
	for key, value := range p {
		if value == nil {
			delete(merged, key)
		} else {
			merged[key] = merge(merged[key], value)
		}
	}
	return merged
}

// put puts a value at a path below in, which may not exist yet, and returns what in becomes.
func put(in any, there bool, path []string, value any) (
	out any, placed []string, created, ok bool,
) {
	if len(path) == 0 {
		return value, nil, !there, true
	}
	token, rest := path[0], path[1:]
	if !there {
		if in = any(map[string]any{}); token == "-" {
			in = []any{}
		}
	}
	switch at := in.(type) {
	case map[string]any:
		child, has := at[token]
		at[token], placed, created, ok = put(child, has, rest, value)
		return at, append([]string{token}, placed...), created, ok
	case []any:
		i, fits := index(token, len(at)+1)
		if token == "-" {
			i, fits = len(at), true
		}
		if !fits {
			return nil, nil, false, false
		}
		has := i < len(at)
		if !has {
			at = append(at, nil)
		}
		at[i], placed, created, ok = put(at[i], has, rest, value)
		return at, append([]string{strconv.Itoa(i)}, placed...), created, ok
	}
	return nil, nil, false, false
}

// edit calls f with the object or array that holds the last token of the path.
func edit(in any, path []string, f func(parent any, token string) (any, bool)) (any, bool) {
	if len(path) == 1 {
		return f(in, path[0])
	}
	child, ok := find(in, path[:1])
	if !ok {
		return nil, false
	}
	if child, ok = edit(child, path[1:], f); !ok {
		return nil, false
	}
	switch at := in.(type) {
	case map[string]any:
		at[path[0]] = child
	case []any:
		i, _ := index(path[0], len(at))
		at[i] = child
	}
	return in, true
}

func remove(in any, path []string) (any, bool) {
	if _, ok := find(in, path); !ok {
		return nil, false
	}
	return edit(in, path, func(parent any, token string) (any, bool) {
		switch at := parent.(type) {
		case map[string]any:
			delete(at, token)
		case []any:
			i, _ := index(token, len(at))
			return slices.Delete(at, i, i+1), true
		}
		return parent, true
	})
}

func add(in any, path []string, value any) (any, bool) {
	return edit(in, path, func(parent any, token string) (any, bool) {
		switch at := parent.(type) {
		case map[string]any:
			at[token] = value
			return at, true
		case []any:
			i, ok := index(token, len(at)+1)
			if token == "-" {
				i, ok = len(at), true
			}
			if !ok {
				return nil, false
			}
			return slices.Insert(at, i, value), true
		}
		return nil, false
	})
}

// patched applies a JSON patch, and notes the first token of each path.
func patched(document any, patch string, touched map[string]bool) (any, bool) {
	var operations []struct {
		Op, Path, From string
		Value          json.RawMessage
	}
	if json.Unmarshal([]byte(patch), &operations) != nil {
		return nil, false
	}
	for _, o := range operations {
		path, from, value, ok := tokens(o.Path), tokens(o.From), decoded(string(o.Value)), true
		if o.Op != "test" {
			touched[path[0]] = true
		}
		if o.Op == "move" {
			touched[from[0]] = true
		}
		there, found := find(document, path)
		if from != nil {
			there, found = find(document, from)
			value = decoded(string(encoded(there))) // a copy of its own
		}
		switch {
		case o.Op != "add" && !found, o.Op == "test" && !reflect.DeepEqual(there, value):
			return nil, false
		case o.Op == "remove":
			document, ok = remove(document, path)
		case o.Op == "replace": // at the same index
			if document, ok = remove(document, path); ok {
				document, ok = add(document, path, value)
			}
		case o.Op == "move":
			if document, ok = remove(document, from); ok {
				document, ok = add(document, path, value)
			}
		case o.Op == "add", o.Op == "copy":
			document, ok = add(document, path, value)
		}
		if !ok {
			return nil, false
		}
	}
	return document, true
}

// tokens is the inverse of pointer.
func tokens(pointer string) (path []string) {
	for _, token := range strings.Split(pointer, "/")[1:] {
		path = append(path, strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
	}
	return path
}
