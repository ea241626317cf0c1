package api

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/outset-settings/outset/internal/access"
)

// AuthConfig says whose requests are answered, and how many of each.
type AuthConfig struct {
	Auth string `env:"AUTH" placeholder:"required" help:"\"required\" asks for tokens, \"none\" doesn't; unset is \"required\" in outset up and with any JWT_ setting, else nobody but this machine is answered"`

	JWTIssuer     string   `name:"jwt-issuer" env:"JWT_ISSUER" placeholder:"URL" help:"the iss of users' tokens"`
	JWTAudience   []string `name:"jwt-audience" env:"JWT_AUDIENCE" placeholder:"NAME" help:"the aud of users' tokens, or several: one of them is enough"`
	JWTKeys       string   `name:"jwt-jwks" env:"JWT_JWKS" placeholder:"FILE|URL" help:"the keys of the issuer: a file, or an address with https"`
	JWTUserClaim  string   `name:"jwt-user-claim" env:"JWT_USER_CLAIM" default:"sub" placeholder:"NAME" help:"the claim that has the user's id"`
	JWTScopeClaim string   `name:"jwt-scope-claim" env:"JWT_SCOPE_CLAIM" placeholder:"NAME" help:"the claim that has the scopes of a service; without it all JWTs are users'"`

	UserRate  int `env:"USER_RATE" default:"100" placeholder:"N" help:"requests a second of one user, in each API; twice as many may come at once; 0: no limit"`
	TokenRate int `env:"TOKEN_RATE" default:"0" placeholder:"N" help:"the same of one service's token"`

	// Tokens returns the static tokens. Without it the workers are asked.
	Tokens access.Source `kong:"-"`
}

// The values of AUTH.
const (
	authNone     = "none"
	authRequired = "required"
)

func (c *AuthConfig) validate() error {
	switch {
	case c.Auth != "" && c.Auth != authNone && c.Auth != authRequired:
		return errors.New("AUTH must be \"required\", \"none\" or not set")
	case c.Auth == authNone && c.hasJWT():
		return errors.New("AUTH=none asks for no tokens, so there must be no JWT_ setting")
	case c.hasJWT() && (c.JWTIssuer == "" || len(c.JWTAudience) == 0 || c.JWTKeys == ""):
		return errors.New("JWT_ISSUER, JWT_AUDIENCE and JWT_JWKS are needed together")
	case c.UserRate < 0 || c.TokenRate < 0:
		return errors.New("USER_RATE and TOKEN_RATE must not be negative")
	}
	return nil
}

func (c *AuthConfig) hasJWT() bool {
	return c.JWTIssuer != "" || len(c.JWTAudience) > 0 || c.JWTKeys != "" ||
		c.JWTUserClaim != "" && c.JWTUserClaim != "sub" ||
		c.JWTScopeClaim != ""
}

// required tells whether tokens are asked for.
func (c *AuthConfig) required() bool {
	return c.Auth == authRequired || c.Auth == "" && c.hasJWT()
}

// authenticator returns what tells whose a token is, or nil if no tokens are asked for.
func (c *AuthConfig) authenticator(workers access.Source, log *slog.Logger) (
	*access.Authenticator, error,
) {
	if !c.required() {
		return nil, nil //nolint:nilnil // there is none
	}
	config := access.Config{Static: workers, Log: log}
	if c.Tokens != nil {
		config.Static = c.Tokens
	}
	if c.hasJWT() {
		config.JWT = &access.JWT{
			Issuer: c.JWTIssuer, Audience: c.JWTAudience, JWKS: c.JWTKeys,
			UserClaim: c.JWTUserClaim, ScopeClaim: c.JWTScopeClaim,
		}
	}
	return access.New(config)
}

// startAuth reads keys and tokens until stop is called, which is when the last request has been
// answered. stop may be called more than once.
func (s *Server) startAuth(ctx context.Context) (stop func()) {
	if s.auth == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.auth.Run(ctx) })
	if s.config.Tokens == nil {
		running.Go(func() { s.reportUses(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}
