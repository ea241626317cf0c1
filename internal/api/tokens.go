package api

import (
	"errors"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/pkg/messages"
)

// actorJSON is who did something.
type actorJSON struct {
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
	Token   string `json:"token,omitempty"` // for the scope admin only
}

// actorFor returns an actor as whoever asks may see it; nil: not known.
func actorFor(id *access.Identity, a *messages.Actor) *actorJSON {
	if a == nil {
		return nil
	}
	shown := &actorJSON{Kind: a.Kind.String(), Subject: a.Subject}
	if id.Kind == access.Service && id.Scopes.Allows(access.Admin) {
		shown.Token = a.Token
	}
	return shown
}

// tokenJSON is a service token without its secret.
type tokenJSON struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Scopes      []string   `json:"scopes"`
	Application string     `json:"application"`
	Created     time.Time  `json:"created"`
	CreatedBy   *actorJSON `json:"createdBy,omitempty"`
	Expires     time.Time  `json:"expires,omitzero"`
	LastUsed    time.Time  `json:"lastUsed,omitzero"`
}

func tokenFor(id *access.Identity, t *messages.Token) tokenJSON {
	return tokenJSON{
		ID: t.ID, Name: t.Name, Scopes: t.Scopes, Application: t.App,
		Created: timeOf(t.Created), CreatedBy: actorFor(id, t.CreatedBy),
		Expires: timeOf(t.Expires), LastUsed: timeOf(t.LastUsed),
	}
}

// timeOf returns a time of the wire, in milliseconds since 1970; 0 is none.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// needAuth refuses to manage tokens where none are asked for. There everybody could make one, which
// would be valid still when tokens are asked for later.
func (s *Server) needAuth() error {
	if s.auth == nil {
		return problem{
			kind:   messages.KindNotFound,
			detail: "this service asks for no tokens, so it has none to manage (AUTH)",
		}
	}
	return nil
}

// getTokens lists the service tokens that are valid, the oldest first.
func (s *Server) getTokens(c *fiber.Ctx) error {
	if err := s.needAuth(); err != nil {
		return err
	}
	r := s.queue.Part(&messages.Operation{
		Action: messages.ActionListTokens, RequestID: requestID(c), Principal: s.share(c),
		Deadline: s.deadline(c), Trace: s.trace(c),
	})
	if r.Kind != "" {
		return problem{kind: r.Kind, detail: r.Detail}
	}
	answer := struct {
		Tokens []tokenJSON `json:"tokens"`
	}{make([]tokenJSON, len(r.Tokens))}
	for i := range r.Tokens {
		answer.Tokens[i] = tokenFor(identityOf(c), &r.Tokens[i])
	}
	return c.JSON(answer)
}

// postToken makes a service token. Its answer is the only one that ever has the secret.
func (s *Server) postToken(c *fiber.Ctx) error {
	if err := s.needAuth(); err != nil {
		return err
	}
	if c.Get(headerIdempotencyKey) != "" {
		return problem{
			kind:   messages.KindMalformed,
			detail: "this can't be repeated with an Idempotency-Key: no answer has the secret again",
		}
	}
	token, err := newTokenOf(c)
	if err != nil {
		return err
	}
	var secret string
	secret, token.ID = messages.NewToken()
	token.Hash = messages.HashToken(secret)
	r, err := s.changeToken(c, messages.ActionCreateToken, token)
	if err != nil {
		return err
	}
	if len(r.Tokens) != 1 {
		return errors.New("a worker made a token and doesn't tell which")
	}
	set(c, fiber.HeaderCacheControl, "no-store")
	return c.Status(fiber.StatusCreated).JSON(struct {
		tokenJSON
		Token string `json:"token"`
	}{tokenFor(identityOf(c), &r.Tokens[0]), secret})
}

// newTokenOf reads the token that a request wants. Its error is a problem.
func newTokenOf(c *fiber.Ctx) (*messages.Token, error) {
	body, _, err := bodyOf(c, fiber.MIMEApplicationJSON)
	if err != nil {
		return nil, err
	}
	var wanted struct {
		Name    string   `json:"name"`
		Scopes  []string `json:"scopes"`
		Expires *string  `json:"expires"`
	}
	if err := decodeStrictly(body, &wanted, "name", "scopes", "expires"); err != nil {
		return nil, malformedToken(err)
	}
	var expires time.Time
	if wanted.Expires != nil {
		if expires, err = timeIn("expires", *wanted.Expires); err != nil {
			return nil, malformedToken(err)
		}
	}
	scopes, err := access.ParseScope(wanted.Scopes)
	switch {
	case err != nil:
		return nil, malformedToken(err)
	case scopes == 0:
		return nil, malformedToken(errors.New("it needs a scope at least"))
	case !expires.IsZero() && !expires.After(time.Now()):
		return nil, malformedToken(errors.New("it would have expired already"))
	}
	token := &messages.Token{Name: wanted.Name, Scopes: scopes.Names(), App: access.DefaultApp}
	if !expires.IsZero() {
		token.Expires = expires.UnixMilli()
	}
	return token, nil
}

func malformedToken(err error) problem {
	return problem{
		kind: messages.KindMalformed, detail: messages.Detail("the token can't be made: " + err.Error()),
	}
}

// deleteToken revokes a service token.
func (s *Server) deleteToken(c *fiber.Ctx) error {
	if err := s.needAuth(); err != nil {
		return err
	}
	id, err := url.PathUnescape(c.Params("id"))
	if err != nil {
		id = "" // no token's
	}
	_, err = s.changeToken(c, messages.ActionRevokeToken, &messages.Token{ID: id})
	if err == nil {
		c.Status(fiber.StatusNoContent)
	}
	return err
}

// changeToken has an operation about a token done, and writes it into the log: who may do what must
// be possible to find out later. Its error is a problem.
func (s *Server) changeToken(
	c *fiber.Ctx, action messages.Action, token *messages.Token,
) (messages.Result, error) {
	id, err := newOperationID()
	if err != nil {
		return messages.Result{}, err
	}
	o := &messages.Operation{
		Action: action, Token: token, ID: id, Actor: actorOf(identityOf(c)),
		RequestID: requestID(c), Principal: s.share(c), Issued: s.queue.Now().UnixMicro(),
		Deadline: s.deadline(c), Trace: s.trace(c),
	}
	// What the workers would refuse as our mistake is the client's here.
	if kind, detail := o.Check(messages.WriteSubject); kind != "" {
		return messages.Result{}, problem{kind: kind, detail: detail}
	}
	r := s.queue.Write(o)
	s.logOf(c).Info("change of a token", "action", action.String(), "actor",
		actor{identityOf(c)}, "token", token.ID, "name", token.Name, "scopes", token.Scopes,
		"kind", r.Kind)
	if r.Kind != "" {
		return r, problem{kind: r.Kind, detail: r.Detail}
	}
	return r, nil
}
