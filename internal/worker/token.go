package worker

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// newTokens returns the queue of what changes tokens. It takes one at a time: these are rare, have
// a transaction each, and wait for one another in the database anyway. A batch of writes must not
// wait with them.
func (w *Worker) newTokens(ctx context.Context) *batcher {
	return w.newBatcher(ctx, "token", w.options(), w.changeTokensOf)
}

// changesTokens tells whether an operation is one of [Worker.changeTokens].
func changesTokens(o *messages.Operation) bool {
	return o.Action.Writes() && o.Action.Scope() == messages.ScopeService
}

// changeTokensOf does what works ask about tokens.
func (w *Worker) changeTokensOf(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, w.storeTimeout)
	defer cancel()
	now := w.store.Clock().Now()
	for _, i := range open(f, func(work *work) bool { return work.expired(now) }) {
		f.Calls[i].result = w.changeTokens(ctx, f.Calls[i].Operation)
		done(f, []int{i})
	}
}

// changeTokens does an operation about tokens, in a transaction of its own.
func (w *Worker) changeTokens(ctx context.Context, o *messages.Operation) messages.Result {
	var err error
	switch o.Action {
	case messages.ActionCreateToken:
		var kept store.Token
		kept, err = w.store.CreateToken(ctx, newTokenOf(o), timeOf(o.Deadline))
		if err == nil {
			return messages.Result{Tokens: tokensOf([]store.Token{kept})}
		}
	case messages.ActionRevokeToken:
		err = w.store.RevokeToken(ctx, o.Token.ID, timeOf(o.Deadline))
	default:
		err = w.store.UsedTokens(ctx, usesOf(o.Uses))
	}
	if err != nil {
		return w.failure(o, err)
	}
	return messages.Result{}
}

func newTokenOf(o *messages.Operation) store.Token {
	return store.Token{
		ID: o.Token.ID, Name: o.Token.Name, Hash: o.Token.Hash, Scopes: o.Token.Scopes,
		Application: o.Token.App, Expires: timeOf(o.Token.Expires), CreatedBy: actorOf(o),
	}
}

func usesOf(uses []messages.TokenUse) []store.TokenUse {
	all := make([]store.TokenUse, len(uses))
	for i, u := range uses {
		all[i] = store.TokenUse{ID: u.ID, Time: timeOf(u.Time)}
	}
	return all
}

func tokensOf(kept []store.Token) []messages.Token {
	tokens := make([]messages.Token, len(kept))
	for i, t := range kept {
		tokens[i] = messages.Token{
			ID: t.ID, Name: t.Name, Hash: t.Hash, Scopes: t.Scopes, App: t.Application,
			Created: millis(t.Created), CreatedBy: actorFor("", t.CreatedBy),
			Expires: millis(t.Expires), LastUsed: millis(t.LastUsed),
		}
	}
	return tokens
}

// actorOf returns who asks, for the store. Nearly all writes are of the user themself, and the log
// doesn't have the same id twice in each row.
func actorOf(o *messages.Operation) store.Actor {
	if o.Actor == nil {
		return store.Actor{}
	}
	a := store.Actor{
		Kind: int16(o.Actor.Kind), Subject: o.Actor.Subject, Token: o.Actor.Token,
	}
	if o.Actor.Kind == messages.ActorUser && a.Subject == o.User {
		a.Subject = ""
	}
	return a
}

// actorFor is the reverse: who made a version of the user's document.
func actorFor(user string, a store.Actor) *messages.Actor {
	if a.Kind == 0 {
		return nil
	}
	actor := &messages.Actor{
		Kind:    messages.ActorKind(a.Kind), //nolint:gosec // it was one when it was written
		Subject: a.Subject, Token: a.Token,
	}
	if actor.Kind == messages.ActorUser && actor.Subject == "" {
		actor.Subject = user
	}
	return actor
}

// adminToken is the token of the configuration for the store, or nil.
func (c Config) adminToken() *store.Token {
	if c.AdminToken == "" {
		return nil
	}
	hash := messages.HashToken(c.AdminToken)
	return &store.Token{
		ID: messages.AdminTokenID(hash), Name: "ADMIN_TOKEN", Hash: hash,
		Scopes: []string{messages.AdminScope}, Application: messages.DefaultApp,
	}
}

// configurePause is how long to wait before the token of the configuration is written again after a
// failure.
const configurePause = time.Second

// startConfiguring makes the token of the configuration valid, and any that it had before invalid.
// If that fails it returns all the same, and retries until it is done or ctx ends; the channel is
// closed then.
func (w *Worker) startConfiguring(ctx context.Context) <-chan struct{} {
	stopped := make(chan struct{})
	err := w.configureToken(ctx)
	if err == nil {
		close(stopped)
		return stopped
	}
	go func() {
		defer close(stopped)
		failures := rate.Sometimes{First: 1, Interval: failureLogged}
		for ; err != nil && ctx.Err() == nil; err = w.configureToken(ctx) {
			failures.Do(func() { w.log.Warn("ADMIN_TOKEN not set; retrying", "error", err) })
			select {
			case <-time.After(configurePause):
			case <-ctx.Done():
			}
		}
	}()
	return stopped
}

func (w *Worker) configureToken(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.storeTimeout)
	defer cancel()
	return w.store.ConfigureToken(ctx, messages.AdminTokenPrefix, w.config.adminToken())
}
