package access_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/access"
)

// TestRoutes: the table has each route once, and no row that lets more in than it says.
func TestRoutes(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, r := range access.Routes {
		name := r.Method + " " + r.Path
		if seen[name] {
			t.Errorf("%s occurs twice", name)
		}
		seen[name] = true
		hasID := strings.HasPrefix(r.Path, "/user/:id")
		switch {
		case r.Who == access.Owner && !hasID, hasID && r.Who != access.Owner:
			t.Errorf("%s: a route has an owner if and only if it has a user id", name)
		case r.Who == access.Services && r.Scope == 0, r.Who == access.Owner && r.Scope == 0:
			t.Errorf("%s: a service needs no scope", name)
		case r.Who == access.Public && (r.Scope != 0 || r.App != ""),
			r.Who != access.Public && (r.App == "") != (r.Scope == access.Admin || r.Scope == access.PoolRead):
			t.Errorf("%s: what is public or for operators is of no application, all else is of one", name)
		case r.Cookie && (r.Method != "GET" || !strings.HasSuffix(r.Path, "/events")):
			t.Errorf("%s: the cookie counts", name)
		}
		if found := access.Find(r.Method, r.Path); found == nil || found.Path != r.Path {
			t.Errorf("%s isn't found", name)
		}
	}
	if access.Find("HEAD", "/users") != access.Find("GET", "/users") {
		t.Error("HEAD has another rule than GET")
	}
	if access.Find("GET", "/nowhere") != nil || access.Find("DELETE", "/users") != nil {
		t.Error("a rule was found for no route")
	}
}

// TestDecide: whoever it is and whatever the route, nobody gets more than the rule says.
func TestDecide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(access.Routes).Draw(t, "route")
		id := access.Identity{
			Kind: rapid.SampledFrom([]access.Kind{
				access.Anonymous, access.User, access.Service,
			}).Draw(t, "kind"),
			Subject: rapid.SampledFrom([]string{"ann", "bob", ""}).Draw(t, "subject"),
			Scopes:  access.Scope(rapid.Uint16Range(0, 127).Draw(t, "scopes")),
			App:     rapid.SampledFrom([]string{access.DefaultApp, "other"}).Draw(t, "app"),
		}
		user := ""
		if r.Who == access.Owner {
			user = rapid.SampledFrom([]string{"ann", "bob", "Ann", "ann ", ""}).Draw(t, "user")
		}
		needs := r.Needs(func(name string) string {
			return rapid.SampledFrom([]string{"", "true", "settings"}).Draw(t, name)
		})

		answer, lacking := access.Decide(&id, &r, user, needs)
		var want access.Answer
		switch {
		case r.Who == access.Public:
		case id.Kind == access.Anonymous:
			want = access.Unauthenticated
		case r.App != "" && id.App != r.App:
			want = access.Hidden
		case id.Kind == access.User:
			if r.Who == access.Services || r.Who == access.Owner && (user == "" || user != id.Subject) {
				want = access.Hidden
			}
		case !id.Scopes.Allows(needs):
			want = access.Forbidden
		}
		if answer != want {
			t.Fatalf("%v, want %v", answer, want)
		}
		if (lacking != 0) != (answer == access.Forbidden) || lacking != 0 &&
			(id.Scopes.Allows(lacking) || needs&lacking == 0 || len(lacking.Names()) != 1) {
			t.Fatalf("%v is lacking %v", answer, lacking)
		}
	})
}

// TestScopes: names and sets are the same, admin is everything, and nothing else is.
func TestScopes(t *testing.T) {
	t.Parallel()
	all, err := access.ParseScope(access.ScopeNames())
	if err != nil || !slices.Equal(all.Names(), access.ScopeNames()) ||
		all.String() != strings.Join(access.ScopeNames(), " ") {
		t.Errorf("%v, %v", all, err)
	}
	for _, name := range access.ScopeNames() {
		one, err := access.ParseScope([]string{name})
		if err != nil || one.String() != name {
			t.Errorf("%s is %v, %v", name, one, err)
		}
		if !access.Admin.Allows(one) || !one.Allows(one) || !one.Allows(0) || access.Scope(0).Allows(one) {
			t.Errorf("%s is not what it should be", name)
		}
		for _, other := range access.ScopeNames() {
			scope, _ := access.ParseScope([]string{other})
			reads := one == access.SettingsWrite && scope == access.SettingsRead
			if scope != one && one != access.Admin && one.Allows(scope) != reads {
				t.Errorf("%s allows %s", name, other)
			}
		}
	}
	if _, err := access.ParseScope([]string{"settings:read", "Admin"}); err == nil ||
		!strings.Contains(err.Error(), "settings:read, settings:write") {
		t.Errorf("an unknown scope: %v", err)
	}
}
