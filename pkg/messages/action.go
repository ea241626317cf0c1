package messages

// Action is what an operation does. The numbers are on the wire: append only. A
// worker ignores fields that it doesn't know, so a field that changes what an action
// does comes with a new action, which an older worker refuses.
type Action uint8

// The actions.
const (
	ActionRead Action = 1 // the document and its version
	// the whole document becomes Operation.Document, whatever Operation.If says
	ActionReplace     Action = 2
	ActionMergePatch  Action = 3 // Operation.Document is a merge patch (RFC 7396)
	ActionJSONPatch   Action = 4 // Operation.Document is a JSON patch (RFC 6902)
	ActionDelete      Action = 5 // there is no document any more; its version goes on counting
	ActionSetValue    Action = 6 // the value at Operation.Path becomes Operation.Document
	ActionDeleteValue Action = 7 // there is no value at Operation.Path any more
	ActionRestore     Action = 8 // the document becomes what it was at Operation.Version
	ActionErase       Action = 9 // nothing of the user stays but the count of versions
	// ActionReplace that heeds Operation.If, as all actions from 3 on do
	ActionReplaceIf   Action = 10
	ActionReadValue   Action = 11 // the value at Operation.Path
	ActionReadVersion Action = 12 // the document as it was at Operation.Version
	ActionHistory     Action = 13 // the versions and what made them
	// what the worker holds documents and histories to, for no user; as JSON
	ActionLimits Action = 14
	// ActionRead with Modified and Absent in its result, which the first workers leave out
	ActionReadState Action = 15

	ActionReadNumber    Action = 16 // ActionReadState without the document
	ActionListUsers     Action = 17 // who has a document; see Operation.List
	ActionReadEffective Action = 18 // the document laid over the schema's defaults
	// the schema that documents are held to, for no user, as are the following
	ActionReadSchema   Action = 19
	ActionPutSchema    Action = 20 // the schema becomes Operation.Document
	ActionDeleteSchema Action = 21 // there is no schema any more; its version goes on counting
	// which documents of Operation.List would break the schema in Operation.Document
	ActionTrySchema Action = 22

	// LastAction is the highest action that this program knows.
	LastAction = ActionTrySchema
)

// names are what people call the actions that make versions.
var names = [LastAction + 1]string{
	ActionReplace:     "replace",
	ActionReplaceIf:   "replace", // the same thing done
	ActionMergePatch:  "merge-patch",
	ActionJSONPatch:   "json-patch",
	ActionDelete:      "delete",
	ActionSetValue:    "set-value",
	ActionDeleteValue: "delete-value",
	ActionRestore:     "restore",
	ActionErase:       "erase",

	ActionPutSchema:    "put-schema",
	ActionDeleteSchema: "delete-schema",
}

// String is what people call an action that makes a version, and "" for all others.
func (a Action) String() string {
	if a > LastAction {
		return ""
	}
	return names[a]
}

// Subject is where operations with this action are sent.
func (a Action) Subject() string {
	if a.Writes() {
		return WriteSubject
	}
	return ReadSubject
}

// Writes tells whether the action makes a version.
func (a Action) Writes() bool { return a.String() != "" }

// hasPath tells whether the action is about a value inside the document.
func (a Action) hasPath() bool {
	return a == ActionReadValue || a == ActionSetValue || a == ActionDeleteValue
}

// hasVersion tells whether the action is about one version of the past.
func (a Action) hasVersion() bool { return a == ActionReadVersion || a == ActionRestore }

// ofNobody tells whether the action is about no user.
func (a Action) ofNobody() bool {
	switch a {
	case ActionLimits, ActionListUsers, ActionReadSchema, ActionPutSchema, ActionDeleteSchema,
		ActionTrySchema:
		return true
	default:
		return false
	}
}

// lists tells whether the action goes through the users.
func (a Action) lists() bool { return a == ActionListUsers || a == ActionTrySchema }
