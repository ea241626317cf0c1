//go:build e2e

package e2e

import (
	"context"
	"strings"
	"time"

	"github.com/outset-settings/outset/internal/testwait"
)

// outage stops Postgres and starts it again. The API's container is unhealthy meanwhile, and
// healthy again by itself. How long each took is logged: the first should be below 10 s.
func (c *compose) outage(ctx context.Context) {
	c.t.Helper()
	c.becomes(ctx, "healthy")
	c.must(ctx, "stop", "postgres")
	c.becomes(ctx, "unhealthy")
	c.must(ctx, "start", "postgres")
	c.becomes(ctx, "healthy")
}

// becomes waits until Docker's health check says this of the API's container.
func (c *compose) becomes(ctx context.Context, status string) {
	c.t.Helper()
	api, began := c.container(ctx, "api"), time.Now()
	testwait.Until(c.t, 2*time.Minute, "the API's container is "+status, func() bool {
		return strings.TrimSpace(c.docker(ctx, "inspect", "--format", "{{.State.Health.Status}}",
			api)) == status
	})
	c.t.Logf("the API's container is %s after %.1f s", status, time.Since(began).Seconds())
}
