package api

import (
	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// The schema is like a document that belongs to nobody: it has versions, conditions and idempotency
// keys.

const mimeSchema = "application/schema+json"

// maxTrials is how many schemas may be on trial at once: each keeps a worker at work until all
// documents have been looked at.
const maxTrials = 2

// maxExamples is how many documents that would break a schema a trial shows.
const maxExamples = 10

// ofSchema tells whether an operation is about the schema and no user's document.
func ofSchema(o *messages.Operation) bool { return o.Action.Scope() == messages.ScopeSchema }

// getSchema answers the schema, byte for byte as it was put.
func (s *Server) getSchema(c *fiber.Ctx) error {
	return s.readOf(c, messages.Operation{Action: messages.ActionReadSchema})
}

// putSchema holds all documents that are written from now on to the body; or only tries what that
// would mean.
func (s *Server) putSchema(c *fiber.Ctx) error {
	try, err := truth(c, "dry_run")
	if err != nil {
		return err
	}
	schema, _, err := bodyOf(c, fiber.MIMEApplicationJSON, mimeSchema)
	switch {
	case err != nil:
		return err
	case try:
		return s.trySchema(c, schema)
	case !s.queue.AllKnow(messages.ActionPutSchema):
		return problem{
			kind:   messages.KindUnavailable,
			detail: "workers of an older version are running, and would not hold documents to it; upgrade them first",
		}
	}
	o := messages.Operation{Action: messages.ActionPutSchema, Document: schema}
	return s.writeOf(c, "", o, func(c *fiber.Ctx, _ string, _ *messages.Result) error {
		return send(c, schema)
	})
}

// deleteSchema leaves documents free again.
func (s *Server) deleteSchema(c *fiber.Ctx) error {
	return s.writeOf(c, "", messages.Operation{Action: messages.ActionDeleteSchema}, done)
}

// trial is what a schema would mean for the documents that there are.
type trial struct {
	Checked  int64     `json:"checked"`
	Broken   int64     `json:"broken"`
	Examples []example `json:"examples"`
}

// example is a document that would break the schema.
type example struct {
	User       string      `json:"user"`
	Version    int64       `json:"version"`
	Violations []violation `json:"violations"`
}

// trySchema looks at all documents, which takes its time, and changes nothing.
func (s *Server) trySchema(c *fiber.Ctx, schema []byte) error {
	release, err := s.trials.take()
	if err != nil {
		return err
	}
	defer release()
	o := messages.Operation{
		Action: messages.ActionTrySchema, Document: schema, RequestID: requestID(c),
		List: &messages.Listing{Limit: messages.MaxUsers},
	}
	t := trial{Examples: []example{}}
	if err := s.eachPart(&o, t.add); err != nil {
		return err
	}
	return c.JSON(t)
}

// add counts a part of the documents.
func (t *trial) add(r *messages.Result) error {
	t.Checked += r.Checked
	t.Broken += r.Broken
	for _, u := range r.Users[:min(len(r.Users), maxExamples-len(t.Examples))] {
		t.Examples = append(t.Examples, example{u.ID, u.Version, violationsOf(u.Violations)})
	}
	return nil
}
