package deploy_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/program"
	"github.com/outset-settings/outset/internal/secrets"
	"github.com/outset-settings/outset/internal/testwait"
)

func TestMain(m *testing.M) {
	pgtest.Main(m,
		// fasthttp keeps one clock for the whole process, and its pool sees only every ten
		// seconds that its server was shut down.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// patience is far more time than anything takes.
const patience = 3 * time.Minute

// queue is a NATS server with deploy/nats.conf, and the folder with the secrets of all roles.
type queue struct {
	url     string
	secrets string
}

// serve starts a server with nats.conf itself. Only addresses are others, so that tests can run
// beside anything.
func serve(t *testing.T) queue {
	t.Helper()
	q := queue{secrets: t.TempDir()}
	if _, err := secrets.Make(q.secrets); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SERVER_CERT", q.file("nats-server.pem"))
	t.Setenv("SERVER_KEY", q.file("nats-server-key.pem"))
	t.Setenv("SERVER_CA", q.file("ca.pem"))
	public, err := os.Open(q.file("nats.env"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = public.Close() }()
	for lines := bufio.NewScanner(public); lines.Scan(); {
		name, key, _ := strings.Cut(lines.Text(), "=")
		t.Setenv(name, key)
	}
	options, err := server.ProcessConfigFile("nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port, options.HTTPPort = "127.0.0.1", server.RANDOM_PORT, 0
	options.NoLog, options.NoSigs = true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server did not start")
	}
	q.url = s.ClientURL()
	return q
}

func (q queue) file(name string) string { return filepath.Join(q.secrets, name) }

// as is the configuration of a program that has a role: "api", "worker" or "operator".
func (q queue) as(role string) program.NATS {
	return program.NATS{URL: q.url, NATSIdentity: program.NATSIdentity{
		NKey: q.file("nats-" + role + ".nk"), CA: q.file("ca.pem"),
		Cert: q.file("nats-" + role + ".pem"), Key: q.file("nats-" + role + "-key.pem"),
	}}
}

// eventually waits for a condition; only a failing test waits for the deadline.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, patience, what, condition)
}
