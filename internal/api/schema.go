package api

import (
	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// The schema is like a document without a user: it has versions, preconditions and idempotency
// keys.

const mimeSchema = "application/schema+json"

// maxTrials is how many schemas may be tried at once: each occupies a worker until all documents
// have been checked.
const maxTrials = 2

// maxExamples is how many of the documents that would break a schema a trial lists.
const maxExamples = 10

// ofSchema tells whether an operation is about the schema, not about a user's document.
func ofSchema(o *messages.Operation) bool { return o.Action.Scope() == messages.ScopeSchema }

// getSchema answers with the schema, byte for byte as it was put.
func (s *Server) getSchema(c *fiber.Ctx) error {
	return s.readOf(c, messages.Operation{Action: messages.ActionReadSchema})
}

// putSchema makes the body the schema of all documents that are written from now on. With dry_run
// it only tells which of the current documents would break it.
func (s *Server) putSchema(c *fiber.Ctx) error {
	try, err := boolOf(c, "dry_run")
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
			kind: messages.KindUnavailable,
			detail: "workers of an older version are running, which would not check documents " +
				"against it; upgrade them first",
		}
	}
	o := messages.Operation{Action: messages.ActionPutSchema, Document: schema}
	return s.writeOf(c, "", o, func(c *fiber.Ctx, _ string, _ *messages.Result) error {
		return send(c, schema)
	})
}

// deleteSchema removes the schema, so that any document is accepted again.
func (s *Server) deleteSchema(c *fiber.Ctx) error {
	return s.writeOf(c, "", messages.Operation{Action: messages.ActionDeleteSchema}, done)
}

// trial is the result of checking all current documents against a schema.
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

// trySchema checks all documents against a schema, which may take long, and changes nothing.
func (s *Server) trySchema(c *fiber.Ctx, schema []byte) error {
	release, err := s.slot(c, s.trials)
	if err != nil {
		return err
	}
	defer release()
	o := messages.Operation{
		Action: messages.ActionTrySchema, Document: schema, RequestID: requestID(c),
		Principal: s.share(c), Trace: s.trace(c), List: &messages.Listing{Limit: messages.MaxUsers},
	}
	t := trial{Examples: []example{}}
	if err := s.eachPart(&o, t.add); err != nil {
		return err
	}
	return c.JSON(t)
}

// add adds the result of a part of the documents.
func (t *trial) add(r *messages.Result) error {
	t.Checked += r.Checked
	t.Broken += r.Broken
	for _, u := range r.Users[:min(len(r.Users), maxExamples-len(t.Examples))] {
		t.Examples = append(t.Examples, example{u.ID, u.Version, violationsOf(u.Violations)})
	}
	return nil
}
