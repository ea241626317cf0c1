package settings_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The model is as simple as can be: Go's own maps and slices. Only the meaning is compared.
// Numbers are json.Number, so that one that is spelt anew is a difference.

func decode(text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		panic(err)
	}
	return value
}

// raw are the members of an object as they are spelt; ok is false if it is none.
func raw(text []byte) (members map[string]json.RawMessage, ok bool) {
	err := json.Unmarshal(text, &members)
	return members, err == nil && members != nil
}

// Few names and values, so that patches often meet what is there.
var (
	drawName   = rapid.SampledFrom([]string{`"a"`, `"\u0061"`, `"b"`, `"c/d"`, `"~"`, `""`, `"-"`, `"0"`, `"1"`, `"é"`})
	drawScalar = rapid.SampledFrom([]string{`null`, `true`, `1`, `1.0`, `10e-1`, `-0`, `0`, `1.10`, `9007199254740993`, `"a"`, `"\u0061"`, `"😀"`, `""`})
	drawSpace  = rapid.SampledFrom([]string{``, ``, ` `, "\n  "})
)

// drawJSON returns a value as somebody might spell it.
func drawJSON(t *rapid.T, depth int) string {
	kind := "scalar"
	if depth > 0 {
		kind = rapid.SampledFrom([]string{"scalar", "array", "object", "object"}).Draw(t, "kind")
	}
	switch kind {
	case "object":
		return drawObject(t, depth)
	case "array":
		parts := make([]string, rapid.IntRange(0, 4).Draw(t, "length"))
		for i := range parts {
			parts[i] = spaced(t, drawJSON(t, depth-1))
		}
		return "[" + joined(t, parts) + "]"
	}
	return drawScalar.Draw(t, "scalar")
}

func drawObject(t *rapid.T, depth int) string {
	var parts []string
	seen := map[any]bool{}
	for range rapid.IntRange(0, 5).Draw(t, "size") {
		name := drawName.Draw(t, "name")
		if key := decode([]byte(name)); !seen[key] {
			seen[key] = true
			parts = append(parts, spaced(t, name)+":"+spaced(t, drawJSON(t, depth-1)))
		}
	}
	return "{" + joined(t, parts) + "}"
}

func joined(t *rapid.T, parts []string) string {
	if len(parts) == 0 {
		return drawSpace.Draw(t, "space")
	}
	return strings.Join(parts, ",")
}

func spaced(t *rapid.T, s string) string {
	return drawSpace.Draw(t, "before") + s + drawSpace.Draw(t, "after")
}

// merged is the pseudocode of RFC 7396.
func merged(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for key, value := range changes {
		if value == nil {
			delete(object, key)
		} else {
			object[key] = merged(object[key], value)
		}
	}
	return object
}

func TestMergePatchModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		document, patch := spaced(t, drawObject(t, 3)), spaced(t, drawObject(t, 3))
		next, err := outcome(limits.MergePatch, document, patch)
		if err != nil {
			t.Fatalf("%s with %s: %v", document, patch, err)
		}
		want := merged(decode([]byte(document)), decode([]byte(patch)))
		if got := decode(next.Document); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s with %s is %s, want %v", document, patch, next.Document, want)
		}
		sameBytes(t, []byte(document), []byte(patch), next.Document)
	})
}

// sameBytes: what a merge patch doesn't name is spelt and ordered as before.
func sameBytes(t *rapid.T, before, patch, after []byte) {
	t.Helper()
	old, ok := raw(before)
	changes, patched := raw(patch)
	now, is := raw(after)
	if !ok || !patched || !is {
		return
	}
	for key, value := range old {
		if change, named := changes[key]; !named && !bytes.Equal(value, now[key]) {
			t.Fatalf("%q was %s, is %s", key, value, now[key])
		} else if named && string(change) != "null" {
			sameBytes(t, value, change, now[key])
		}
	}
	unnamed := func(key string) bool { _, named := changes[key]; return named }
	if was, is := slices.DeleteFunc(order(before), unnamed),
		slices.DeleteFunc(order(after), unnamed); !slices.Equal(was, is) {
		t.Fatalf("the order was %q, is %q", was, is)
	}
}

// order returns the keys of an object.
func order(text []byte) (keys []string) {
	d := json.NewDecoder(bytes.NewReader(text))
	_, _ = d.Token()
	for d.More() {
		key, _ := d.Token()
		keys = append(keys, fmt.Sprint(key))
		var skipped json.RawMessage
		_ = d.Decode(&skipped)
	}
	return keys
}

// step is an operation of a JSON patch.
type step struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	From  string          `json:"from"`
	Value json.RawMessage `json:"value"`
}

// drawPointer leads mostly to something that is there.
func drawPointer(t *rapid.T, value any) string {
	pointer := ""
	for rapid.IntRange(0, 5).Draw(t, "deeper") > 0 {
		var token string
		switch v := value.(type) {
		case map[string]any:
			keys := slices.Sorted(maps.Keys(v))
			token = rapid.SampledFrom(append(keys, "new")).Draw(t, "key")
			value = v[token]
		case []any:
			i := rapid.IntRange(0, len(v)+1).Draw(t, "index")
			if token = fmt.Sprint(i); i < len(v) {
				value = v[i]
			} else if value = nil; i > len(v) {
				token = "-"
			}
		default:
			return pointer
		}
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	}
	return pointer
}

func TestJSONPatchModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		document := spaced(t, drawObject(t, 3))
		model, failed := decode([]byte(document)), false
		var steps []step
		for range rapid.IntRange(0, 6).Draw(t, "steps") {
			s := step{
				Op: rapid.SampledFrom([]string{
					"add", "remove", "replace", "move", "copy",
					"test",
				}).Draw(t, "op"),
				Path:  drawPointer(t, model),
				From:  drawPointer(t, model),
				Value: json.RawMessage(drawJSON(t, 2)),
			}
			steps = append(steps, s)
			next, ok := s.applied(model)
			if !ok {
				failed = true
				break
			}
			model = next
		}
		checkAgainst(t, document, steps, model, failed)
	})
}

func checkAgainst(t *rapid.T, document string, steps []step, want any, failed bool) {
	t.Helper()
	var patch bytes.Buffer // json.Marshal would spell the values anew
	for i, s := range steps {
		path, _ := json.Marshal(s.Path)
		from, _ := json.Marshal(s.From)
		fmt.Fprintf(&patch, `,{"op":%q,"path":%s,"from":%s,"value":%s}`, s.Op, path, from, s.Value)
		if i == 0 {
			patch.Next(1)
		}
	}
	next, err := outcome(limits.JSONPatch, document, "["+patch.String()+"]")
	if _, object := want.(map[string]any); failed || !object {
		if err == nil {
			t.Fatalf("%s with %s is %s, and should fail", document, patch.String(), next.Document)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s with %s: %v", document, patch.String(), err)
	}
	if got := decode(next.Document); !reflect.DeepEqual(got, want) {
		t.Fatalf("%s with %s is %s, want %v", document, patch.String(), next.Document, want)
	}
}

// applied returns what the step makes of a document, which it leaves as it is.
func (s step) applied(document any) (any, bool) {
	document = copied(document)
	value := decode(s.Value)
	switch s.Op {
	case "test":
		found, ok := lookUp(document, s.Path)
		return document, ok && same(found, value)
	case "replace":
		if _, ok := lookUp(document, s.Path); !ok {
			return nil, false
		}
		if s.Path == "" {
			return value, true
		}
		if document, ok := removed(document, s.Path); ok {
			return added(document, s.Path, value)
		}
		return nil, false
	case "add":
		return added(document, s.Path, value)
	case "remove":
		return removed(document, s.Path)
	}
	found, ok := lookUp(document, s.From)
	if !ok {
		return nil, false
	}
	if s.Op == "copy" {
		return added(document, s.Path, copied(found))
	}
	if s.From == s.Path {
		return document, true
	}
	if strings.HasPrefix(s.Path, s.From+"/") {
		return nil, false
	}
	if document, ok = removed(document, s.From); !ok {
		return nil, false
	}
	return added(document, s.Path, found)
}

func copied(value any) any {
	text, _ := json.Marshal(value) // keeps the spelling of a json.Number
	return decode(text)
}

func lookUp(value any, pointer string) (any, bool) {
	for _, token := range tokens(pointer) {
		switch v := value.(type) {
		case map[string]any:
			found, ok := v[token]
			if !ok {
				return nil, false
			}
			value = found
		case []any:
			i := position(v, token)
			if i < 0 {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

func position(array []any, token string) int {
	for i := range array {
		if fmt.Sprint(i) == token {
			return i
		}
	}
	return -1
}

// changed calls f with what the last token of the pointer is to change, and puts
// what f returns in its place.
func changed(document any, path []string, f func(parent any, token string) (any, bool)) (any,
	bool,
) {
	if len(path) == 1 {
		return f(document, path[0])
	}
	child, ok := lookUp(document, "/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(path[0]))
	if !ok {
		return nil, false
	}
	if child, ok = changed(child, path[1:], f); !ok {
		return nil, false
	}
	switch v := document.(type) {
	case map[string]any:
		v[path[0]] = child
	case []any:
		v[position(v, path[0])] = child
	}
	return document, true
}

func added(document any, pointer string, value any) (any, bool) {
	if pointer == "" {
		return value, true
	}
	return changed(document, tokens(pointer), func(parent any, token string) (any, bool) {
		switch v := parent.(type) {
		case map[string]any:
			v[token] = value
			return v, true
		case []any:
			for i := range len(v) + 1 {
				if fmt.Sprint(i) == token || i == len(v) && token == "-" {
					return slices.Insert(v, i, value), true
				}
			}
		}
		return nil, false
	})
}

func removed(document any, pointer string) (any, bool) {
	if _, ok := lookUp(document, pointer); !ok || pointer == "" {
		return nil, false
	}
	return changed(document, tokens(pointer), func(parent any, token string) (any, bool) {
		switch v := parent.(type) {
		case map[string]any:
			delete(v, token)
			return v, true
		case []any:
			i := position(v, token)
			return slices.Delete(v, i, i+1), true
		}
		return nil, false
	})
}

func same(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		if !ok {
			return false
		}
		p, _ := new(big.Rat).SetString(x.String())
		q, _ := new(big.Rat).SetString(y.String())
		return p.Cmp(q) == 0
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, same)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for key, value := range x {
			if other, ok := y[key]; !ok || !same(value, other) {
				return false
			}
		}
		return true
	}
	return a == b
}
