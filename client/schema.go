package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Schema is the JSON Schema that every document must satisfy when it is written.
type Schema struct {
	// JSON is the schema, byte for byte as it was set; nil after a deletion.
	JSON json.RawMessage
	// Version grows by 1 each time the schema is set or deleted.
	Version int64
	// ETag is the entity tag of the version, for [IfMatch].
	ETag string
	// Modified is when that was, in whole seconds.
	Modified time.Time
	// Replayed tells of a write that an earlier one with the same [IdempotencyKey] had applied.
	Replayed bool
}

// Schema returns the schema, or [ErrNotFound] if there is none.
func (c *Client) Schema(ctx context.Context, options ...ReadOption) (Schema, error) {
	o := schemaOperation(http.MethodGet)
	for _, option := range options {
		option(&o)
	}
	return c.schema(ctx, &o)
}

// PutSchema sets the schema. It leaves existing documents as they are; [Client.CheckSchema] finds
// those that violate it.
func (c *Client) PutSchema(
	ctx context.Context, schema json.RawMessage, options ...WriteOption,
) (Schema, error) {
	o := schemaOperation(http.MethodPut)
	o.makeWrite(jsonType, schema, options)
	return c.schema(ctx, &o)
}

// DeleteSchema removes the schema, so that any JSON object is a document.
func (c *Client) DeleteSchema(ctx context.Context, options ...WriteOption) (Schema, error) {
	o := schemaOperation(http.MethodDelete)
	o.makeWrite("", nil, options)
	return c.schema(ctx, &o)
}

// Check is what [Client.CheckSchema] finds.
type Check struct {
	// Checked is the number of documents, Broken that of the documents which violate the schema.
	Checked int64 `json:"checked"`
	Broken  int64 `json:"broken"`
	// Examples are at most 10 users with such documents.
	Examples []CheckedUser `json:"examples"`
}

// CheckedUser is a user whose document violates a schema.
type CheckedUser struct {
	User       string      `json:"user"`
	Version    int64       `json:"version"`
	Violations []Violation `json:"violations"`
}

// checkTimeout is the timeout of one attempt to check all documents.
const checkTimeout = 10 * time.Minute

// CheckSchema checks all documents against a schema without setting it. It takes as long as the
// service needs to read them all, 10 minutes at most.
func (c *Client) CheckSchema(ctx context.Context, schema json.RawMessage) (Check, error) {
	o := schemaOperation(http.MethodPut)
	o.path += "?dry_run=true"
	o.header.Set("Content-Type", jsonType)
	o.body, o.answer = schema, jsonType
	var check Check
	a, err := c.doWithin(ctx, &o, checkTimeout)
	if err == nil {
		err = decode(a.body, &check)
	}
	return check, err
}

func schemaOperation(method string) Operation {
	return Operation{method: method, path: "/schema", header: make(http.Header)}
}

func (c *Client) schema(ctx context.Context, o *Operation) (Schema, error) {
	a, err := c.do(ctx, o)
	if err != nil {
		return Schema{}, err
	}
	s := a.settings("")
	return Schema{
		JSON: s.Document, Version: s.Version, ETag: s.ETag, Modified: s.Modified,
		Replayed: s.Replayed,
	}, nil
}
