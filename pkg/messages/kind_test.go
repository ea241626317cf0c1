package messages_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// definite has every kind, as it is spelt on the wire and in URLs, and whether it means that
// nothing was applied. A kind never leaves this table.
var definite = map[messages.Kind]bool{
	"malformed":              true,
	"invalid-document":       true,
	"too-large":              true,
	"idempotency-key-reused": true,
	"overloaded":             true,
	"unavailable":            true,
	"deadline-exceeded":      true,
	"not-found":              true,
	"precondition-failed":    true,
	"patch-not-applicable":   true,
	"unknown-action":         true, // by this worker
	"schema-violation":       true,
	"invalid-schema":         true,

	"outcome-unknown": false,
	"ask-again":       false, // it was done
	"internal":        false, // a fault can come at any time

	"":           false, // no failure at all
	"unheard-of": false, // a newer worker's
}

func TestKindDefinite(t *testing.T) {
	t.Parallel()
	for kind, want := range definite {
		if got := kind.Definite(); got != want {
			t.Errorf("%q: definite %v, want %v", kind, got, want)
		}
	}
}

// TestTemporary: the definite no that another attempt may turn into a yes.
func TestTemporary(t *testing.T) {
	t.Parallel()
	temporary := map[messages.Kind]bool{
		"overloaded": true, "unavailable": true, "deadline-exceeded": true,
	}
	for kind, definite := range definite {
		if got := kind.Temporary(); got != temporary[kind] {
			t.Errorf("%q: temporary %v", kind, got)
		}
		if !definite && kind.Temporary() {
			t.Errorf("%q: a definite no that isn't definite", kind)
		}
	}
}

// TestEveryKindIsListed reads the source, so that a new kind can't be forgotten above: whoever adds
// one has to say whether it is definite.
func TestEveryKindIsListed(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "kind.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := make(map[messages.Kind]string)
	for name, kind := range kindsOf(t, file) {
		if other, ok := seen[kind]; ok {
			t.Errorf("%s and %s are both %q", name, other, kind)
		}
		seen[kind] = name
		if _, ok := definite[kind]; !ok {
			t.Errorf("%s = %q: is it definite? Add it to the table, and to Kind.Definite if so",
				name, kind)
		}
		if !url.MatchString(string(kind)) {
			t.Errorf("%s = %q: a kind is a part of a URL: small letters and hyphens", name, kind)
		}
	}
	for kind := range definite {
		if _, ok := seen[kind]; !ok && kind != "" && kind != "unheard-of" {
			t.Errorf("%q is gone; kinds are append-only", kind)
		}
	}
}

// kindsOf returns the constants of a file whose names begin with Kind.
func kindsOf(t *testing.T, file *ast.File) map[string]messages.Kind {
	t.Helper()
	kinds := make(map[string]messages.Kind)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if !strings.HasPrefix(name.Name, "Kind") {
				continue
			}
			var literal *ast.BasicLit
			if i < len(spec.Values) {
				literal, _ = spec.Values[i].(*ast.BasicLit)
			}
			if literal == nil {
				t.Fatalf("%s: write the kind as a plain string, so that it can be found", name.Name)
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			kinds[name.Name] = messages.Kind(value)
		}
		return true
	})
	return kinds
}
