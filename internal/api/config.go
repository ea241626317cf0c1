package api

import (
	"errors"
	"fmt"
	"time"

	"github.com/outset-settings/outset/internal/tracing"
	"github.com/outset-settings/outset/pkg/messages"
)

// Config has the address and the limits of an API.
type Config struct {
	HTTPAddr string `name:"http" env:"HTTP_ADDR" default:"127.0.0.1:8080" placeholder:"ADDR" help:"where the API listens"`

	AuthConfig

	EdgeConfig

	CORSOrigins         []string `name:"cors-origins" env:"CORS_ORIGINS" placeholder:"ORIGIN" help:"origins whose pages may use the API from a browser, or *; none by default; https://*.example.org for all names below that one"`
	CORSCredentials     bool     `name:"cors-credentials" env:"CORS_CREDENTIALS" help:"let pages of CORS_ORIGINS send cookies along"`
	RequirePrecondition bool     `env:"REQUIRE_PRECONDITION" help:"refuse writes without If-Match, If-None-Match or an If-Unmodified-Since whose second is over"`
	Console             bool     `env:"CONSOLE" help:"serve the page for operators at /console here, too, and not at ADMIN_ADDR only"`
	// MaxDocument is in bytes. Its flag is main's, since workers have it, too.
	MaxDocument int `kong:"-"`

	// Tracer makes the spans of requests; nil: there are none.
	Tracer *tracing.Tracer `kong:"-"`

	RequestTimeout time.Duration `env:"REQUEST_TIMEOUT" default:"5s" placeholder:"DURATION" help:"how long a request may take; past it the answer is 503, or 504 where the outcome isn't known"`
	WorkerGrace    time.Duration `env:"WORKER_GRACE" default:"3s" placeholder:"DURATION" help:"how long after the last sign of life of a worker requests wait for another; past it they are refused at once"`

	MaxConnections int           `env:"MAX_CONNECTIONS" default:"16384" placeholder:"N" help:"HTTP connections at once"`
	IdleTimeout    time.Duration `env:"IDLE_TIMEOUT" default:"2m" placeholder:"DURATION" help:"how long an idle HTTP connection is kept"`
	ReadTimeout    time.Duration `env:"READ_TIMEOUT" default:"10s" placeholder:"DURATION" help:"how long a client may take to send the head of a request, and pause while it sends the body, which must keep 512 bytes a second"`

	MaxWatchers     int           `env:"MAX_WATCHERS" default:"16384" placeholder:"N" help:"clients that watch changes at once, in addition to the other connections; past it the answer is 503"`
	EventsHeartbeat time.Duration `env:"EVENTS_HEARTBEAT" default:"15s" placeholder:"DURATION" help:"how often a client that watches changes gets a heartbeat, and how often its user is checked for a lost notification"`
}

// Validate returns an error for the first setting that is not valid.
func (c Config) Validate() error {
	for name, d := range map[string]time.Duration{
		"REQUEST_TIMEOUT": c.RequestTimeout, "IDLE_TIMEOUT": c.IdleTimeout,
		"READ_TIMEOUT": c.ReadTimeout,
	} {
		if d <= 0 {
			return fmt.Errorf("%s must be positive, not %v", name, d)
		}
	}
	switch {
	case c.WorkerGrace < 0:
		return fmt.Errorf("WORKER_GRACE must not be negative: %v", c.WorkerGrace)
	case c.MaxConnections < 1:
		return errors.New("MAX_CONNECTIONS must be at least 1")
	case c.MaxWatchers < 1:
		return errors.New("MAX_WATCHERS must be at least 1")
	case c.EventsHeartbeat < minHeartbeat:
		return fmt.Errorf("EVENTS_HEARTBEAT must be at least %v, not %v", minHeartbeat,
			c.EventsHeartbeat)
	}
	if err := c.AuthConfig.validate(); err != nil {
		return err
	}
	// It is 0 while flags are parsed, since it has none in this struct.
	if n := c.MaxDocument; n != 0 && (n < minDocument || n > messages.MaxDocument) {
		return fmt.Errorf("MAX_DOCUMENT_BYTES must be at least %d and at most %d, not %d",
			minDocument, messages.MaxDocument, n)
	}
	return c.validateCORS()
}
