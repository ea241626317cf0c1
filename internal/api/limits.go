package api

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// limits is the answer of getLimits. The limits of documents and histories come from a worker.
type limits struct {
	messages.Limits
	Batch struct {
		Operations int `json:"operations"`
		Bytes      int `json:"bytes"`
	} `json:"batch"`
	Users struct {
		Page int `json:"page"`
	} `json:"users"`
	Tokens struct {
		Count       int `json:"count"`
		NameBytes   int `json:"nameBytes"`
		CookieBytes int `json:"cookieBytes"`
	} `json:"tokens"`
	Request struct {
		UserIDBytes         int   `json:"userIdBytes"`
		IdempotencyKeyBytes int   `json:"idempotencyKeyBytes"`
		HeaderBytes         int   `json:"headerBytes"`
		PathBytes           int   `json:"pathBytes"`
		PathParts           int   `json:"pathParts"`
		EntityTags          int   `json:"entityTags"`
		TimeoutMilliseconds int64 `json:"timeoutMilliseconds"`
	} `json:"request"`
}

// limitsFor is how long the workers' limits are kept. They change when workers are restarted with
// other settings.
const limitsFor = 5 * time.Second

// getLimits answers with the limits of documents and requests, and how much history is kept.
func (s *Server) getLimits(c *fiber.Ctx) error {
	body, err := s.limits.Get()
	if err != nil {
		return err
	}
	c.Context().SetContentType(fiber.MIMEApplicationJSON)
	return c.Send(body)
}

// askLimits asks a worker. However many clients want the limits, it is called for one at a time.
func (s *Server) askLimits() ([]byte, error) {
	r := s.queue.Read(&messages.Operation{
		Action: messages.ActionLimits, RequestID: rand.Text(),
		Deadline: s.queue.Deadline(s.config.RequestTimeout),
	})
	if r.Kind != "" {
		return nil, problem{kind: r.Kind, detail: r.Detail}
	}
	var l limits
	if err := json.Unmarshal(r.Document, &l); err != nil {
		return nil, fmt.Errorf("the worker's limits: %w", err)
	}
	l.Document.Bytes = min(l.Document.Bytes, s.config.MaxDocument)
	l.History.Page = maxPageSize
	l.Batch.Operations = maxSubrequests
	l.Batch.Bytes = s.multiLimit()
	l.Users.Page = messages.MaxUsers
	l.Tokens.Count = messages.MaxServiceTokens
	l.Tokens.NameBytes = messages.MaxTokenName
	l.Tokens.CookieBytes = maxCookie
	l.Request.UserIDBytes = messages.MaxUser
	l.Request.IdempotencyKeyBytes = messages.MaxID
	l.Request.HeaderBytes = maxHeaders
	l.Request.PathBytes = messages.MaxPath
	l.Request.PathParts = messages.MaxTokens
	l.Request.EntityTags = messages.MaxVersions
	l.Request.TimeoutMilliseconds = s.config.RequestTimeout.Milliseconds()
	return encode(l)
}
