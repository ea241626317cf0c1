package access

import (
	"fmt"
	"strings"
)

// Scope is a set of what a service may do.
type Scope uint16

// The scopes. Their order is that of their names in lists.
const (
	SettingsRead  Scope = 1 << iota // read any user's document and history
	SettingsWrite                   // change them, which includes reading them
	UsersList                       // list the users
	UsersExport                     // export all documents
	UsersErase                      // erase a user
	SchemaWrite                     // set and remove the schema
	PoolRead                        // see how the workers are doing
	Admin                           // all of it, and manage tokens
)

type scopeName struct {
	scope Scope
	name  string
}

var scopeNames = []scopeName{
	{SettingsRead, "settings:read"},
	{SettingsWrite, "settings:write"},
	{UsersList, "users:list"},
	{UsersExport, "users:export"},
	{UsersErase, "users:erase"},
	{SchemaWrite, "schema:write"},
	{PoolRead, "pool:read"},
	{Admin, "admin"},
}

// ScopeNames returns the names of all scopes.
func ScopeNames() []string {
	names := make([]string, len(scopeNames))
	for i, n := range scopeNames {
		names[i] = n.name
	}
	return names
}

// ParseScope returns the scopes with these names. A name that is unknown is an error.
func ParseScope(names []string) (Scope, error) {
	var all Scope
	for _, name := range names {
		s := scopeOf(name)
		if s == 0 {
			return 0, fmt.Errorf("%.40q is not a scope; there are %s", name,
				strings.Join(ScopeNames(), ", "))
		}
		all |= s
	}
	return all, nil
}

// scopeOf returns the scope with this name, or 0.
func scopeOf(name string) Scope {
	for _, n := range scopeNames {
		if n.name == name {
			return n.scope
		}
	}
	return 0
}

// Names returns the names of the scopes in the set.
func (s Scope) Names() []string {
	var names []string
	for _, n := range scopeNames {
		if s&n.scope != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// String returns the names, separated by spaces as in RFC 6749.
func (s Scope) String() string { return strings.Join(s.Names(), " ") }

// Allows tells whether who has these scopes may do what needs those. Admin implies all of them.
// Writing implies reading: the answers to writes have the document, and preconditions and patches
// could be used to guess it.
func (s Scope) Allows(needed Scope) bool {
	if s&Admin != 0 {
		return true
	}
	if s&SettingsWrite != 0 {
		s |= SettingsRead
	}
	return s&needed == needed
}

// lacking returns the first of the scopes needed that is not allowed, or 0.
func (s Scope) lacking(needed Scope) Scope {
	if s.Allows(needed) {
		return 0
	}
	for _, n := range scopeNames {
		if needed&n.scope != 0 && !s.Allows(n.scope) {
			return n.scope
		}
	}
	return 0
}

// KnownScopes returns those of the names that are scopes. A newer program may know more.
func KnownScopes(names []string) (all Scope) {
	for _, name := range names {
		all |= scopeOf(name)
	}
	return all
}
