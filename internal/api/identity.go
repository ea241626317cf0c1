package api

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/access"
)

// identityJSON is who sends a request, and what they may do.
type identityJSON struct {
	Kind        string    `json:"kind"` // user, service, or anonymous where no tokens are asked for
	Subject     string    `json:"subject,omitempty"`
	Token       string    `json:"token,omitempty"` // its id
	Scopes      []string  `json:"scopes"`          // of a service; nothing for a user
	Application string    `json:"application"`
	Expires     time.Time `json:"expires,omitzero"`
}

// getIdentity answers with whose the token is, so that a page offers only what it allows.
func (s *Server) getIdentity(c *fiber.Ctx) error {
	id := identityOf(c)
	answer := identityJSON{
		Kind: id.Kind.String(), Subject: id.Subject, Token: id.Token, Scopes: id.Scopes.Names(),
		Application: id.App, Expires: id.Expires,
	}
	if s.auth == nil { // everybody may do everything
		answer.Scopes = access.Admin.Names()
	}
	if answer.Scopes == nil {
		answer.Scopes = []string{}
	}
	return c.JSON(answer)
}
