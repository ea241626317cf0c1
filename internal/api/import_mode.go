package api

import (
	"fmt"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// importMode is what an import does with the settings of a line.
type importMode string

// The modes.
const (
	importReplace importMode = "replace" // they become the user's document
	importMerge   importMode = "merge"   // they are a merge patch (RFC 7396) on it
	importCreate  importMode = "create"  // they become it, if the user has none
)

// modeParameter is the parameter of the query that has the mode.
const modeParameter = "mode"

// modeOf returns the mode that the client asks for.
func modeOf(c *fiber.Ctx) (importMode, error) {
	switch mode := importMode(c.Query(modeParameter, string(importReplace))); mode {
	case importReplace, importMerge, importCreate:
		return mode, nil
	default:
		return "", problem{
			kind: messages.KindMalformed, detail: modeParameter + " must be replace, merge or create",
		}
	}
}

// action is what the operation of a line does.
func (m importMode) action() messages.Action {
	if m == importMerge {
		return messages.ActionMergePatch
	}
	return messages.ActionReplace
}

// condition is the precondition of a line, or nil.
func (m importMode) condition() *messages.Condition {
	if m == importCreate {
		return &messages.Condition{NoneMatch: &messages.Versions{Any: true}}
	}
	return nil
}

// lineProblem is the problem of a line that could not be written.
func lineProblem(r *messages.Result) problem {
	p := problem{
		kind: r.Kind, detail: r.Detail, violations: r.Violations, more: r.MoreViolations,
	}
	if r.Kind == messages.KindPrecondition {
		p.detail = fmt.Sprintf("there is a document already, of version %d", r.Version)
	}
	return p
}
