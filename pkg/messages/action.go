package messages

import "fmt"

// Action is what an operation does. The numbers are on the wire, and the names of those that write
// are in the history: from the first release on both are append-only.
type Action uint8

// The actions. Those of [ScopeUser] are about [Operation.User].
const (
	ActionRead          Action = 1 // the document
	ActionReadNumber    Action = 2 // the document's version, without the document
	ActionReadValue     Action = 3 // the value at Operation.Path
	ActionReadEffective Action = 4 // the document laid over the schema's defaults
	ActionReadVersion   Action = 5 // the document as it was at Operation.Version
	ActionHistory       Action = 6 // the versions and the actions that made them

	ActionReplace     Action = 7  // the whole document becomes Operation.Document
	ActionMergePatch  Action = 8  // Operation.Document is a merge patch (RFC 7396)
	ActionJSONPatch   Action = 9  // Operation.Document is a JSON patch (RFC 6902)
	ActionSetValue    Action = 10 // the value at Operation.Path becomes Operation.Document
	ActionDeleteValue Action = 11 // the value at Operation.Path is removed
	ActionDelete      Action = 12 // the document is removed; its version goes on counting
	ActionRestore     Action = 13 // the document becomes what it was at Operation.Version
	ActionErase       Action = 14 // nothing of the user stays but the version

	ActionListUsers Action = 15 // all users; see Operation.List

	ActionReadSchema   Action = 16 // the schema
	ActionPutSchema    Action = 17 // the schema becomes Operation.Document
	ActionDeleteSchema Action = 18 // the schema is removed; its version goes on counting
	ActionTrySchema    Action = 19 // which of Operation.List break the schema in Operation.Document

	ActionLimits Action = 20 // the worker's Limits, as JSON

	ActionListTokens  Action = 21 // the service tokens that are valid
	ActionCreateToken Action = 22 // Operation.Token is kept, once
	ActionRevokeToken Action = 23 // the token with the id of Operation.Token is no longer valid
	ActionUsedTokens  Action = 24 // Operation.Uses is kept as the time of their last use

	ActionFollow Action = 25 // what has changed since a position, of all users; see Operation.Follow

	ActionTry Action = 26 // whether ActionReplace would take Operation.Document

	// LastAction is the highest action that this program knows.
	LastAction = ActionTry
)

// Scope is whom an action is about.
type Scope uint8

// The scopes.
const (
	ScopeUser    Scope = iota // the document of Operation.User
	ScopeSchema               // the schema, which is kept like a document and belongs to no user
	ScopeService              // neither: all users, the tokens, or the worker itself
)

// actions has a row for each action. A new one needs nothing else in this package.
var actions = [LastAction + 1]struct {
	name    string
	scope   Scope
	writes  bool // it changes something
	path    bool // it needs Operation.Path
	version bool // it needs Operation.Version
	list    bool // it needs Operation.List
}{
	ActionRead:          {name: "read"},
	ActionReadNumber:    {name: "read-number"},
	ActionReadValue:     {name: "read-value", path: true},
	ActionReadEffective: {name: "read-effective"},
	ActionReadVersion:   {name: "read-version", version: true},
	ActionHistory:       {name: "history"},

	ActionReplace:     {name: "replace", writes: true},
	ActionMergePatch:  {name: "merge-patch", writes: true},
	ActionJSONPatch:   {name: "json-patch", writes: true},
	ActionSetValue:    {name: "set-value", writes: true, path: true},
	ActionDeleteValue: {name: "delete-value", writes: true, path: true},
	ActionDelete:      {name: "delete", writes: true},
	ActionRestore:     {name: "restore", writes: true, version: true},
	ActionErase:       {name: "erase", writes: true},

	ActionListUsers: {name: "list-users", scope: ScopeService, list: true},

	ActionReadSchema:   {name: "read-schema", scope: ScopeSchema},
	ActionPutSchema:    {name: "put-schema", scope: ScopeSchema, writes: true},
	ActionDeleteSchema: {name: "delete-schema", scope: ScopeSchema, writes: true},
	ActionTrySchema:    {name: "try-schema", scope: ScopeService, list: true},

	ActionLimits: {name: "limits", scope: ScopeService},

	ActionListTokens:  {name: "list-tokens", scope: ScopeService},
	ActionCreateToken: {name: "create-token", scope: ScopeService, writes: true},
	ActionRevokeToken: {name: "revoke-token", scope: ScopeService, writes: true},
	ActionUsedTokens:  {name: "used-tokens", scope: ScopeService, writes: true},

	ActionFollow: {name: "follow", scope: ScopeService},

	ActionTry: {name: "try"},
}

// known reports whether this program knows the action.
func (a Action) known() bool { return a >= 1 && a <= LastAction }

// String is the action's name, in the history and in logs.
func (a Action) String() string {
	if !a.known() {
		return fmt.Sprintf("action %d", uint8(a))
	}
	return actions[a].name
}

// Subject is where operations with this action are sent.
func (a Action) Subject() string {
	if a.Writes() {
		return WriteSubject
	}
	return ReadSubject
}

// Writes reports whether the action changes something: except for those of [ScopeService], it makes
// a version.
func (a Action) Writes() bool { return a.known() && actions[a].writes }

// Scope is whom the action is about.
func (a Action) Scope() Scope {
	if !a.known() {
		return ScopeUser
	}
	return actions[a].scope
}
