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
	api := strings.TrimSpace(c.must(ctx, "ps", "--quiet", "api"))
	becomes := func(status string) {
		c.t.Helper()
		began := time.Now()
		testwait.Until(c.t, 2*time.Minute, "the API's container is "+status, func() bool {
			return c.health(ctx, api) == status
		})
		c.t.Logf("the API's container is %s after %.1f s", status, time.Since(began).Seconds())
	}
	becomes("healthy")
	c.must(ctx, "stop", "postgres")
	becomes("unhealthy")
	c.must(ctx, "start", "postgres")
	becomes("healthy")
}

// health is what Docker's health check says of a container.
func (c *compose) health(ctx context.Context, id string) string {
	c.t.Helper()
	status, complaint, err := execute(ctx, "docker", "inspect", "--format",
		"{{.State.Health.Status}}", id)
	if err != nil {
		c.t.Fatalf("docker inspect: %v %s", err, complaint)
	}
	return strings.TrimSpace(status)
}
