package access

// Who may call a route, services apart.
type Who uint8

// Who there is.
const (
	// Services only, with the rule's scope. For users the route doesn't exist.
	Services Who = iota
	// Owner is the user in the path, or a service with the rule's scope.
	Owner
	// Signed is everybody with a valid token.
	Signed
	// Public is everybody.
	Public
)

// Rule says who may call a route.
type Rule struct {
	Method string // GET includes HEAD
	Path   string // as the router has it
	Who    Who
	Scope  Scope // that a service needs
	// With has what a parameter of the query needs in addition, of services only.
	With []Extra
	// Cookie tells that the cookie for streams counts here, and nowhere else.
	Cookie bool
	App    string // the application that the route is of; "" for the service itself
}

// Extra is what a parameter with a value needs in addition.
type Extra struct {
	Parameter, Value string
	Scope            Scope
}

// withDocuments is for listings that may have documents in them.
var withDocuments = []Extra{{"include", "settings", SettingsRead}}

// Routes is who may do what: one row for each route of the API. The table in docs/http.md and the
// "security" entries of openapi.json are generated from it.
var Routes = []Rule{
	{Method: "GET", Path: "/user/:id/settings", Who: Owner, Scope: SettingsRead, App: DefaultApp},
	{Method: "PUT", Path: "/user/:id/settings", Who: Owner, Scope: SettingsWrite, App: DefaultApp},
	{Method: "POST", Path: "/user/:id/settings", Who: Owner, Scope: SettingsWrite, App: DefaultApp},
	{Method: "PATCH", Path: "/user/:id/settings", Who: Owner, Scope: SettingsWrite, App: DefaultApp},
	{Method: "DELETE", Path: "/user/:id/settings", Who: Owner, Scope: SettingsWrite, App: DefaultApp},
	{Method: "GET", Path: "/user/:id/settings/*", Who: Owner, Scope: SettingsRead, App: DefaultApp},
	{Method: "PUT", Path: "/user/:id/settings/*", Who: Owner, Scope: SettingsWrite, App: DefaultApp},
	{Method: "DELETE", Path: "/user/:id/settings/*", Who: Owner, Scope: SettingsWrite, App: DefaultApp},
	{Method: "GET", Path: "/user/:id/history", Who: Owner, Scope: SettingsRead, App: DefaultApp},
	{Method: "GET", Path: "/user/:id/history/:version", Who: Owner, Scope: SettingsRead, App: DefaultApp},
	{Method: "POST", Path: "/user/:id/history/:version/restore", Who: Owner, Scope: SettingsWrite, App: DefaultApp},
	{Method: "GET", Path: "/user/:id/events", Who: Owner, Scope: SettingsRead, Cookie: true, App: DefaultApp},
	{Method: "POST", Path: "/user/:id/events/cookie", Who: Owner, Scope: SettingsRead, App: DefaultApp},
	{Method: "DELETE", Path: "/user/:id", Who: Owner, Scope: UsersErase, App: DefaultApp},

	{Method: "POST", Path: "/batch", Who: Signed, App: DefaultApp},

	{Method: "GET", Path: "/users", Scope: UsersList, With: withDocuments, App: DefaultApp},
	{Method: "GET", Path: "/users/events", Scope: UsersList, With: withDocuments, App: DefaultApp},
	{Method: "GET", Path: "/users/export", Scope: UsersExport, App: DefaultApp},
	{Method: "POST", Path: "/users/import", Scope: SettingsWrite, App: DefaultApp},

	{Method: "GET", Path: "/schema", Who: Signed, App: DefaultApp},
	{
		Method: "PUT", Path: "/schema", Scope: SchemaWrite, App: DefaultApp,
		With: []Extra{{"dry_run", "true", UsersList}}, // it lists users whose documents would break it
	},
	{Method: "DELETE", Path: "/schema", Scope: SchemaWrite, App: DefaultApp},

	{Method: "GET", Path: "/identity", Who: Signed, App: DefaultApp},
	{Method: "GET", Path: "/pool", Scope: PoolRead},
	{Method: "GET", Path: "/tokens", Scope: Admin},
	{Method: "POST", Path: "/tokens", Scope: Admin},
	{Method: "DELETE", Path: "/tokens/:id", Scope: Admin},

	{Method: "GET", Path: "/", Who: Public},
	{Method: "GET", Path: "/limits", Who: Public},
	{Method: "GET", Path: "/openapi.json", Who: Public},
	{Method: "GET", Path: "/client.js", Who: Public},
	{Method: "GET", Path: "/client.d.ts", Who: Public},
	{Method: "GET", Path: "/docs", Who: Public},
	{Method: "GET", Path: "/docs/:file", Who: Public},
	{Method: "GET", Path: "/console", Who: Public},
	{Method: "GET", Path: "/console/:file", Who: Public},
	{Method: "GET", Path: "/problems", Who: Public},
	{Method: "GET", Path: "/problems/:kind", Who: Public},
	{Method: "GET", Path: "/healthz", Who: Public},
	{Method: "GET", Path: "/readyz", Who: Public},
}

// Find returns the rule of a route, or nil if there is none.
func Find(method, path string) *Rule {
	if method == "HEAD" {
		method = "GET"
	}
	for i := range Routes {
		if Routes[i].Method == method && Routes[i].Path == path {
			return &Routes[i]
		}
	}
	return nil
}

// Needs returns the scopes that a service needs for a request whose query has these parameters.
func (r *Rule) Needs(query func(name string) string) Scope {
	needs := r.Scope
	for _, w := range r.With {
		if query(w.Parameter) == w.Value {
			needs |= w.Scope
		}
	}
	return needs
}
