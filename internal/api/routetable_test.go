package api_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/api"
)

var update = flag.Bool("update", false, "write what the table of routes says into the documentation")

// TestRouteTable: each row of the table is a route and the other way round, and the documentation
// and the description for programs say what the table says.
func TestRouteTable(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	served := make(map[*access.Rule]bool)
	for _, route := range s.api.App().GetRoutes(true) {
		served[access.Find(route.Method, route.Path)] = true
	}
	for i := range access.Routes {
		if r := &access.Routes[i]; !served[r] {
			t.Errorf("%s %s is in the table, but not served", r.Method, r.Path)
		}
	}
	golden(t, "../../docs/http.md", inDocument)
	golden(t, "openapi.json", inDescription)
}

// golden compares a file with what it should be, or writes it.
func golden(t *testing.T, name string, change func(*testing.T, string) string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := change(t, string(data))
	switch {
	case want == string(data):
	case *update:
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s says otherwise than internal/access/routes.go: run this test with -update", name)
	}
}

const (
	tableBegins = "<!-- from internal/access/routes.go -->\n"
	tableEnds   = "<!-- end -->\n"
)

// inDocument returns the document with the table between its marks.
func inDocument(t *testing.T, text string) string {
	t.Helper()
	before, rest, ok := strings.Cut(text, tableBegins)
	_, after, ended := strings.Cut(rest, tableEnds)
	if !ok || !ended {
		t.Fatal("the marks of the table are missing")
	}
	var b strings.Builder
	b.WriteString("| route | a user | a service |\n|---|---|---|\n")
	for _, r := range access.Routes {
		user, service := "–", "`"+r.Scope.String()+"`"
		switch r.Who {
		case access.Owner:
			user = "their own"
		case access.Signed:
			user, service = "yes", "any"
		case access.Public:
			user, service = "public", "public"
		}
		for _, w := range r.With {
			service += fmt.Sprintf("; with `%s=%s` also `%s`", w.Parameter, w.Value, w.Scope)
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", r.Method, api.TemplateOf(r.Path), user, service)
	}
	return before + tableBegins + b.String() + tableEnds + after
}

// inDescription returns openapi.json with the security of each operation after its id.
func inDescription(t *testing.T, text string) string {
	t.Helper()
	pathLine := regexp.MustCompile(`^    "(/[^"]*)": \{$`)
	methodLine := regexp.MustCompile(`^      "(get|put|post|patch|delete)": \{$`)
	var path, method string
	var lines []string
	found := 0
	for line := range strings.SplitSeq(text, "\n") {
		if m := pathLine.FindStringSubmatch(line); m != nil {
			path = m[1]
		}
		if m := methodLine.FindStringSubmatch(line); m != nil {
			method = strings.ToUpper(m[1])
		}
		if strings.HasPrefix(line, `        "security": `) {
			continue
		}
		lines = append(lines, line)
		if !strings.HasPrefix(line, `        "operationId": `) {
			continue
		}
		for i := range access.Routes {
			if r := &access.Routes[i]; r.Method == method && api.TemplateOf(r.Path) == path {
				lines = append(lines, `        "security": `+security(r)+`,`)
				found++
			}
		}
	}
	if found != len(access.Routes) {
		t.Errorf("openapi.json has %d of %d routes", found, len(access.Routes))
	}
	return strings.Join(lines, "\n")
}

// security is what OpenAPI says of who may call a route: each entry is one way.
func security(r *access.Rule) string {
	var ways []string
	switch r.Who {
	case access.Owner:
		ways = append(ways, `{ "user": [] }`)
	case access.Signed:
		ways = append(ways, `{ "user": [] }`)
	case access.Public:
		return "[]"
	}
	if r.Cookie {
		ways = append(ways, `{ "eventsCookie": [] }`)
	}
	scopes := ""
	for _, name := range r.Scope.Names() {
		scopes = `"` + name + `"`
	}
	ways = append(ways, `{ "service": [`+scopes+`] }`)
	return "[" + strings.Join(ways, ", ") + "]"
}
