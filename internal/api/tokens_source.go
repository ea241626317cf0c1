package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/pkg/messages"
)

// ofTokens is the principal of what the API asks about tokens for itself.
var ofTokens = messages.PrincipalOf("tokens")

// usesEvery is how often the workers are told which static tokens were used.
const usesEvery = 30 * time.Second

// workersTokens returns the static tokens that the workers keep. All of them fit in one answer.
func (s *Server) workersTokens(ctx context.Context) ([]access.StaticToken, error) {
	timeout := s.config.RequestTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	r := until(ctx, s.queue.Part, &messages.Operation{
		Action: messages.ActionListTokens, RequestID: rand.Text(),
		Deadline:  s.queue.Deadline(timeout),
		Principal: ofTokens,
	})
	if r.Kind != "" {
		return nil, problem{kind: r.Kind, detail: r.Detail}
	}
	tokens := make([]access.StaticToken, 0, len(r.Tokens))
	for i := range r.Tokens {
		t := &r.Tokens[i]
		if len(t.Hash) != len(access.Hash{}) {
			return nil, fmt.Errorf("the token %q has a hash of %d bytes", t.ID, len(t.Hash))
		}
		token := access.StaticToken{
			ID: t.ID, Hash: access.Hash(t.Hash), Name: t.Name, Scopes: access.KnownScopes(t.Scopes),
			App: t.App,
		}
		if t.Expires != 0 {
			token.Expires = time.UnixMilli(t.Expires)
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

// until has an operation done, or gives up on it when ctx ends.
func until(ctx context.Context, ask func(*messages.Operation) messages.Result,
	o *messages.Operation,
) messages.Result {
	result := make(chan messages.Result, 1)
	go func() { result <- ask(o) }()
	select {
	case r := <-result:
		return r
	case <-ctx.Done():
		return messages.Result{Kind: messages.KindUnavailable, Detail: "it took too long"}
	}
}

// reportUses tells the workers which static tokens were used, until ctx ends. A report that fails
// isn't repeated: the next use is told again.
func (s *Server) reportUses(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(usesEvery):
		}
		if err := s.reportUsesOnce(ctx); err != nil {
			s.log.Warn("the last uses of tokens were not kept", "error", err)
		}
	}
}

func (s *Server) reportUsesOnce(ctx context.Context) error {
	var uses []messages.TokenUse
	for id, last := range s.auth.TakeUsed() {
		uses = append(uses, messages.TokenUse{ID: id, Time: last.UnixMilli()})
	}
	for len(uses) > 0 {
		part := uses[:min(len(uses), messages.MaxUses)]
		uses = uses[len(part):]
		id, err := newOperationID()
		if err != nil {
			return err
		}
		r := until(ctx, s.queue.Write, &messages.Operation{
			Action: messages.ActionUsedTokens, Uses: part, ID: id, RequestID: rand.Text(),
			Issued: s.queue.Now().UnixMicro(), Deadline: s.queue.Deadline(s.config.RequestTimeout),
			Principal: ofTokens,
		})
		if r.Kind != "" {
			return problem{kind: r.Kind, detail: r.Detail}
		}
	}
	return nil
}

// actorOf is an identity as operations and the history have it; nil: it has none.
func actorOf(id *access.Identity) *messages.Actor {
	switch id.Kind {
	case access.User:
		return messages.NewActor(messages.ActorUser, id.Subject, id.Token)
	case access.Service:
		return messages.NewActor(messages.ActorService, id.Subject, id.Token)
	default:
		return nil
	}
}
