package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

// drawn is a schema with defaults in many places, some of them said twice.
type drawn struct {
	cyclic bool // references may lead anywhere, not only to what is defined later
}

const definitions = 4

func (d drawn) schema(t *rapid.T) string {
	root := d.part(t, 3, 0)
	root = root[:len(root)-1] + `,"$defs":{`
	for i := range definitions {
		if i > 0 {
			root += `,`
		}
		root += fmt.Sprintf(`"%d":%s`, i, d.part(t, 2, i+1))
	}
	return root + `}}`
}

// part is a schema that refers to definitions from the first on, or to any of them from a property.
func (d drawn) part(t *rapid.T, depth, first int) string {
	members := []string{`"title":"x"`}
	if rapid.IntRange(0, 2).Draw(t, "has a default") == 0 {
		members = append(members, `"default":`+drawnValue(2).Draw(t, "default"))
	}
	if depth > 0 && rapid.Bool().Draw(t, "has properties") {
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", `\u0061b`}), 1, 3, rapid.ID[string]).Draw(t, "keys")
		var all []string
		for _, key := range keys {
			from := first
			if d.cyclic {
				from = 0
			}
			all = append(all, fmt.Sprintf(`"%s":%s`, key, d.part(t, depth-1, from)))
		}
		members = append(members, `"properties":{`+strings.Join(all, ",")+`}`)
	}
	if first < definitions && rapid.IntRange(0, 2).Draw(t, "refers") == 0 {
		members = append(members, fmt.Sprintf(`"$ref":"#/$defs/%d"`, rapid.IntRange(first, definitions-1).Draw(t, "to")))
	}
	if depth > 0 && rapid.IntRange(0, 3).Draw(t, "has allOf") == 0 {
		members = append(members, `"allOf":[`+d.part(t, depth-1, first)+`,`+d.part(t, depth-1, first)+`]`)
	}
	return `{` + strings.Join(rapid.Permutation(members).Draw(t, "order"), ",") + `}`
}

func drawnValue(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if depth == 0 || rapid.Bool().Draw(t, "plain") {
			return rapid.SampledFrom([]string{`1`, `1.0`, `null`, `"x"`, `[ {} ]`, `{}`}).Draw(t, "value")
		}
		return drawnObject(depth-1).Draw(t, "object")
	})
}

func drawnObject(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "ab"}), 0, 3,
			rapid.ID[string]).Draw(t, "keys")
		space := rapid.SampledFrom([]string{"", " ", "\n  "}).Draw(t, "space")
		var all []string
		for _, key := range keys {
			all = append(all, `"`+key+`":`+space+drawnValue(depth).Draw(t, "member"))
		}
		return `{` + space + strings.Join(all, `,`+space) + `}`
	})
}

func parsed(t interface{ Fatal(...any) }, text string) (value any) {
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// model lays values over defaults as the rules have it, for schemas without cycles.
type model struct{ definitions map[string]any }

func (m model) all(schemas []any) (all []map[string]any) {
	for _, schema := range schemas {
		s, _ := schema.(map[string]any)
		all = append(all, s)
		if to, ok := s["$ref"].(string); ok {
			all = append(all, m.all([]any{m.definitions[to[len("#/$defs/"):]]})...)
		}
		parts, _ := s["allOf"].([]any)
		all = append(all, m.all(parts)...)
	}
	return all
}

func (m model) lay(value any, there bool, schemas []any, whole bool) (any, bool) {
	all := m.all(schemas)
	byDefault, has := first(all)
	given := there
	if !there {
		if value, there = byDefault, has; !there {
			value = map[string]any{}
		}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return value, there
	}
	if under, ok := byDefault.(map[string]any); ok && whole {
		object = underlaid(object, under)
	}
	laid := maps.Clone(object)
	for key, parts := range properties(all) {
		child, has := object[key]
		if child, has = m.lay(child, has, parts, false); has {
			laid[key] = child
		}
	}
	return laid, there || given || len(laid) > 0
}

func first(all []map[string]any) (any, bool) {
	for _, s := range all {
		if value, ok := s["default"]; ok {
			return value, true
		}
	}
	return nil, false
}

func properties(all []map[string]any) map[string][]any {
	found := map[string][]any{}
	for _, s := range all {
		members, _ := s["properties"].(map[string]any)
		for key, schema := range members {
			found[key] = append(found[key], schema)
		}
	}
	return found
}

func underlaid(over, under map[string]any) map[string]any {
	all := maps.Clone(under)
	for key, value := range over {
		a, isObject := value.(map[string]any)
		b, both := under[key].(map[string]any)
		if isObject && both {
			value = underlaid(a, b)
		}
		all[key] = value
	}
	return all
}

// TestEffectiveModel: what comes out is what the rules say.
func TestEffectiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := drawn{}.schema(t)
		document := drawnObject(3).Draw(t, "document")
		s, err := schema.Compile([]byte(text), limits)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got, err := s.Effective([]byte(document), limits.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		root, _ := parsed(t, text).(map[string]any)
		defs, _ := root["$defs"].(map[string]any)
		want, _ := model{defs}.lay(parsed(t, document), true, []any{root}, true)
		if !reflect.DeepEqual(parsed(t, string(got)), want) {
			t.Fatalf("%s\nover %s\nis   %s\nwant %v", document, text, got, want)
		}
	})
}

// TestEffectiveKeeps: the user's bytes stay in their order, only something is put between them; and
// doing it again adds nothing, whatever circles the references lead in.
func TestEffectiveKeeps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, err := schema.Compile([]byte(drawn{cyclic: true}.schema(t)), limits)
		if err != nil {
			t.Skip(err) // in circles on the spot, or too many of them
		}
		document := drawnObject(4).Draw(t, "document")
		got, err := s.Effective([]byte(document), limits.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !within(document, string(got)) {
			t.Fatalf("%s is not in %s", document, got)
		}
		again, err := s.Effective(got, limits.Bytes)
		if err != nil || string(again) != string(got) {
			t.Fatalf("%s\nfirst  %s\nagain  %s, %v", document, got, again, err)
		}
		if err := limits.Check(got); err != nil {
			t.Fatal(err)
		}
	})
}

// within tells whether all bytes of a are in b in their order.
func within(a, b string) bool {
	for i := range len(a) {
		at := strings.IndexByte(b, a[i])
		if at < 0 {
			return false
		}
		b = b[at+1:]
	}
	return true
}

// TestCheckIsSteady: the same document gets the same answer each time, in the order of its text.
func TestCheckIsSteady(t *testing.T) {
	t.Parallel()
	const text = `{"type":"object","minProperties":5,"required":["a","b","x"],"properties":{"a":{"anyOf":[{"type":"null"},{"type":"object","required":["y","z"]}]},` +
		`"b":{"type":"array","items":{"enum":[1,2]},"minItems":3,"uniqueItems":true},"c":{"$ref":"#"}},"patternProperties":{"b$":{"maxProperties":1}},"unevaluatedProperties":false}`
	rapid.Check(t, func(t *rapid.T) {
		s, err := schema.Compile([]byte(text), limits)
		if err != nil {
			t.Fatal(err)
		}
		document := drawnObject(4).Draw(t, "document")
		first := s.Check([]byte(document))
		for range 5 {
			if again := s.Check([]byte(document)); !reflect.DeepEqual(said(first), said(again)) {
				t.Fatalf("first %+v, again %+v", first, again)
			}
		}
		checkViolations(t, first, document)
	})
}

// said is what an error of Check says.
func said(err error) (wrong schema.ViolationError) {
	if e, ok := errors.AsType[*schema.ViolationError](err); ok {
		wrong = *e
	}
	return wrong
}

// failing is what tests of all kinds have in common.
type failing interface {
	Fatalf(format string, arguments ...any)
}

// checkViolations wants pointers that lead somewhere, and nothing said twice.
func checkViolations(t failing, err error, document string) {
	known := map[schema.Violation]bool{}
	for _, v := range said(err).Violations {
		whole := !strings.HasSuffix(v.Pointer, "…")
		if len(v.Pointer) > 512 || len(v.Reason) > 256 || v.Reason == "" || known[v] && whole {
			t.Fatalf("%+v", v)
		}
		known[v] = true
		if _, err := settings.Value([]byte(document), tokens(v.Pointer)); err != nil && whole {
			t.Fatalf("%q leads nowhere in %s", v.Pointer, document)
		}
	}
}
