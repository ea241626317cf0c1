package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/outset-settings/outset/internal/testwait"
)

// natsCluster is a cluster of NATS servers, each of which can end and come back at its addresses.
type natsCluster struct {
	t       *testing.T
	options []*server.Options
	servers []*server.Server
	routes  []string
}

func startNATSCluster(t *testing.T, size int) *natsCluster {
	t.Helper()
	c := &natsCluster{t: t, servers: make([]*server.Server, size)}
	for i := range size {
		c.options = append(c.options, &server.Options{
			ServerName: fmt.Sprint("server", i), Host: "127.0.0.1", Port: -1,
			NoSigs: true, NoLog: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: -1},
			// Clients are told to leave and have a second for it, and not the default's two minutes.
			LameDuckGracePeriod: 200 * time.Millisecond, LameDuckDuration: time.Second,
		})
		c.start(i)
		c.options[i].Port = c.servers[i].Addr().(*net.TCPAddr).Port //nolint:errcheck // a panic tells as much
		c.options[i].Cluster.Port = c.servers[i].ClusterAddr().Port
		c.routes = append(c.routes, fmt.Sprint("nats://", c.servers[i].ClusterAddr()))
	}
	c.whole()
	return c
}

// start starts a server, and waits until it takes clients.
func (c *natsCluster) start(i int) {
	c.t.Helper()
	options := c.options[i].Clone()
	options.Routes = server.RoutesFromStr(strings.Join(c.routes, ","))
	s, err := server.NewServer(options)
	if err != nil {
		c.t.Fatal(err)
	}
	go s.Start()
	c.t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(testTimeout) {
		c.t.Fatal("a NATS server isn't ready")
	}
	c.servers[i] = s
}

// whole waits until each server is connected with all others.
func (c *natsCluster) whole() {
	c.t.Helper()
	testwait.Until(c.t, testTimeout, "the cluster is whole", func() bool {
		for _, s := range c.servers {
			routes, err := s.Routez(nil)
			if err != nil {
				c.t.Fatal(err)
			}
			peers := make(map[string]bool)
			for _, r := range routes.Routes {
				peers[r.RemoteID] = true
			}
			if len(peers) < len(c.servers)-1 {
				return false
			}
		}
		return true
	})
}

func (c *natsCluster) url() string {
	urls := make([]string, len(c.servers))
	for i, s := range c.servers {
		urls[i] = s.ClientURL()
	}
	return strings.Join(urls, ",")
}

// clients is how many clients a server has.
func (c *natsCluster) clients() (n []int) {
	for _, s := range c.servers {
		n = append(n, s.NumClients())
	}
	return n
}

// TestNATSCluster rolls a cluster of three NATS servers under load through two APIs: one after the
// other goes into lame duck mode, ends and comes back. Then each ends at once. No request fails.
func TestNATSCluster(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	c := startNATSCluster(t, 3)
	s.queue, s.keys = c.url(), ""
	for range workersAtOnce {
		s.newWorker()
	}
	bases := []string{s.newAPI(), s.newAPI()}
	l := startLoad(t, bases[0], "undisturbed")
	l.through(bases...)
	s.do(l.settle(ctx, 300))
	for _, i := range rand.Perm(len(c.servers)) {
		l.phase(fmt.Sprintf("lame duck %d of %v", i, c.clients()))
		c.servers[i].LameDuckShutdown()
		s.do(l.settle(ctx, 100))
		c.start(i)
		c.whole()
		s.do(l.settle(ctx, 100))
	}
	for _, i := range rand.Perm(len(c.servers)) {
		l.phase(fmt.Sprintf("end of %d of %v", i, c.clients()))
		c.servers[i].Shutdown()
		c.servers[i].WaitForShutdown()
		s.do(l.settle(ctx, 100))
		c.start(i)
		c.whole()
		s.do(l.settle(ctx, 100))
	}
	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	s.verify(l)
}
