package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Schema is the JSON Schema (2020-12) that every document is held to when it is written.
type Schema struct {
	JSON     json.RawMessage // byte for byte as it was set; nil after it was deleted
	Version  int64           // it grows by one each time the schema is set or deleted
	Modified time.Time       // in whole seconds
	Replayed bool            // a write with this [IdempotencyKey] had been applied before
}

// Schema returns the schema, or [ErrNotFound] where there is none.
func (c *Client) Schema(ctx context.Context, options ...ReadOption) (Schema, error) {
	o := schemaOperation(http.MethodGet)
	for _, option := range options {
		option(&o)
	}
	return c.schema(ctx, &o)
}

// PutSchema sets the schema. Documents that are there already stay as they are, see
// [Client.CheckSchema].
func (c *Client) PutSchema(
	ctx context.Context, schema json.RawMessage, options ...WriteOption,
) (Schema, error) {
	o := schemaOperation(http.MethodPut)
	o.take("application/json", schema, options)
	return c.schema(ctx, &o)
}

// DeleteSchema removes the schema: any JSON object is a document then.
func (c *Client) DeleteSchema(ctx context.Context, options ...WriteOption) (Schema, error) {
	o := schemaOperation(http.MethodDelete)
	o.take("", nil, options)
	return c.schema(ctx, &o)
}

// Check is what a schema would find wrong with the documents that there are.
type Check struct {
	Checked  int64         `json:"checked"`  // documents
	Broken   int64         `json:"broken"`   // of them, those that the schema would refuse
	Examples []CheckedUser `json:"examples"` // at most 10 of those
}

// CheckedUser is a user whose document a schema would refuse.
type CheckedUser struct {
	User       string      `json:"user"`
	Version    int64       `json:"version"`
	Violations []Violation `json:"violations"`
}

// CheckSchema holds all documents to a schema without setting it. It takes as long as it takes to
// read them all.
func (c *Client) CheckSchema(ctx context.Context, schema json.RawMessage) (Check, error) {
	o := schemaOperation(http.MethodPut)
	o.path += "?dry_run=true"
	o.header.Set("Content-Type", "application/json")
	o.body, o.answer = schema, jsonType
	var check Check
	a, err := c.doWithin(ctx, &o, checkTimeout)
	if err == nil {
		err = decode(a.body, &check)
	}
	return check, err
}

// checkTimeout is how long CheckSchema waits for an answer.
const checkTimeout = 10 * time.Minute

func schemaOperation(method string) Operation {
	return Operation{method: method, path: "/schema", header: make(http.Header)}
}

func (c *Client) schema(ctx context.Context, o *Operation) (Schema, error) {
	a, err := c.do(ctx, o)
	if err != nil {
		return Schema{}, err
	}
	s := a.settings("")
	return Schema{JSON: s.Document, Version: s.Version, Modified: s.Modified, Replayed: s.Replayed},
		nil
}
