//go:build e2e

package e2e

import (
	"context"
	"strings"
)

// faults pauses a container of each part, and cuts it off from the others; NATS and Postgres are
// killed, too, and started again. Without one of the workers no request fails. Without NATS or
// Postgres nothing can be done, until it is there again.
func (c *compose) faults(ctx context.Context, l *load) {
	c.t.Helper()
	worker := c.workers(ctx)[0]
	l.phase("pause a worker")
	c.docker(ctx, "pause", worker)
	c.do(l.settle(ctx, settled))
	c.docker(ctx, "unpause", worker)
	c.do(l.settle(ctx, settled))

	l.phase("cut off a worker")
	reconnect := c.cutOff(ctx, "worker", worker)
	c.do(l.settle(ctx, settled))
	reconnect()
	c.do(l.settle(ctx, settled))

	for _, service := range []string{"nats", "postgres"} {
		id := c.container(ctx, service)
		l.outagePhase("pause " + service)
		c.docker(ctx, "pause", id)
		c.becomes(ctx, "unhealthy")
		c.docker(ctx, "unpause", id)
		c.becomes(ctx, "healthy")
		c.do(l.recovers(ctx))

		l.outagePhase("cut off " + service)
		reconnect := c.cutOff(ctx, service, id)
		c.becomes(ctx, "unhealthy")
		reconnect()
		c.becomes(ctx, "healthy")
		c.do(l.recovers(ctx))

		l.outagePhase("kill " + service)
		c.docker(ctx, "kill", id)
		c.must(ctx, "start", service) // Docker starts nothing again that it was told to kill
		c.do(l.recovers(ctx))
	}
}

// cutOff takes a container from its networks, until it is told to reconnect it.
func (c *compose) cutOff(ctx context.Context, service, id string) (reconnect func()) {
	c.t.Helper()
	networks := strings.Fields(c.docker(ctx, "inspect", "--format",
		"{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}", id))
	for _, name := range networks {
		c.docker(ctx, "network", "disconnect", name, id)
	}
	return func() {
		for _, name := range networks {
			c.docker(ctx, "network", "connect", "--alias", service, name, id)
		}
	}
}

// container is the id of a service's only container.
func (c *compose) container(ctx context.Context, service string) string {
	c.t.Helper()
	return strings.TrimSpace(c.must(ctx, "ps", "--quiet", service))
}

// docker runs docker, and returns what it writes.
func (c *compose) docker(ctx context.Context, args ...string) string {
	c.t.Helper()
	output, complaint, err := execute(ctx, append([]string{"docker"}, args...)...)
	if err != nil {
		c.t.Fatalf("docker %s: %v %s", strings.Join(args, " "), err, complaint)
	}
	return output
}
