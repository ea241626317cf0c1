package messages_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// traits are what a kind says about a failure.
type traits struct {
	temporary bool // surely not applied, and a retry may succeed
	service   bool // a fault of the service
	certain   bool // says what became of a write even after an attempt without an answer
}

// allKinds has every kind, as it is spelt on the wire and in URLs. A kind never leaves this table.
var allKinds = map[messages.Kind]traits{
	"malformed":              {},
	"invalid-document":       {},
	"too-large":              {},
	"idempotency-key-reused": {certain: true},
	"overloaded":             {temporary: true, service: true},
	"unavailable":            {temporary: true, service: true},
	"deadline-exceeded":      {temporary: true},
	"not-found":              {},
	"precondition-failed":    {},
	"patch-not-applicable":   {},
	"unknown-action":         {},
	"schema-violation":       {},
	"invalid-schema":         {},
	"too-many-tokens":        {},
	"outcome-unknown":        {service: true},
	"internal":               {service: true},

	"":           {certain: true}, // no failure at all
	"unheard-of": {},              // a newer worker's
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range allKinds {
		got := traits{kind.Temporary(), kind.ServiceFault(), kind.AfterUnknown() == kind}
		if kind == messages.KindOutcomeUnknown {
			want.certain = got.certain // it is neither
		}
		if got != want {
			t.Errorf("%q: %+v, want %+v", kind, got, want)
		}
		if after := kind.AfterUnknown(); after != kind && after != messages.KindOutcomeUnknown {
			t.Errorf("%q after an attempt without an answer: %q", kind, after)
		}
		retryable := want.temporary || kind == "outcome-unknown"
		if kind.Retryable() != retryable {
			t.Errorf("%q: retryable is %v", kind, !retryable)
		}
	}
}

// TestEveryKindIsListed reads the source, so that a new kind can't be forgotten above.
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
		if !slices.Contains(messages.AllKinds, kind) {
			t.Errorf("%s is not among messages.AllKinds", name)
		}
		if _, ok := allKinds[kind]; !ok {
			t.Errorf("%s = %q is not in the table; add it there, and to kinds if need be", name,
				kind)
		}
		if !url.MatchString(string(kind)) {
			t.Errorf("%s = %q: a kind is a part of a URL: small letters and hyphens", name, kind)
		}
	}
	for kind := range allKinds {
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
