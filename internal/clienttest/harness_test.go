package clienttest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/outset-settings/outset/client"
	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/store"
)

// service is the URL of the system that all tests and examples share. Each has users of its own.
var service string

func TestMain(m *testing.M) {
	pgtest.Main(withService{m},
		// fasthttp keeps one clock for the whole process, and its pool notices only every ten
		// seconds that its server was shut down.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// withService starts the shared system before the tests and stops it after them.
type withService struct{ *testing.M }

func (w withService) Run() int {
	all := &wholeRun{}
	defer all.end()
	service = newSystem(all).base
	return w.M.Run()
}

// wholeRun is a testing.TB for what lives as long as the test binary.
type wholeRun struct {
	testing.TB
	cleanups []func()
}

func (a *wholeRun) Helper()                  {}
func (a *wholeRun) Name() string             { return "all" }
func (a *wholeRun) Context() context.Context { return context.Background() }
func (a *wholeRun) Cleanup(f func())         { a.cleanups = append(a.cleanups, f) }
func (a *wholeRun) Fatal(why ...any)         { panic(fmt.Sprint(why...)) }
func (a *wholeRun) Errorf(f string, v ...any) {
	fmt.Fprintf(os.Stderr, f+"\n", v...)
}

func (a *wholeRun) end() {
	for i := len(a.cleanups) - 1; i >= 0; i-- {
		a.cleanups[i]()
	}
}

// system is an API, a worker, a NATS server and a database, all of them real.
type system struct {
	t        testing.TB
	nats     *server.Server
	base     string
	database string

	stopWorker func()
}

var workerConfig = worker.Config{
	DrainTimeout: 10 * time.Second,
	MaxDocument:  64 << 10, MaxDepth: 32, MaxKeys: 10_000,
	HistoryVersions: 1000, HistoryBytes: 16 << 20,
	HistoryAge: 24 * time.Hour,
}

var apiConfig = api.Config{
	HTTPAddr: "127.0.0.1:0", RequestTimeout: time.Minute, WorkerGrace: 3 * time.Second,
	MaxDocument: 64 << 10, MaxConnections: 1000, IdleTimeout: time.Minute,
	ReadTimeout: 5 * time.Minute,
	MaxWatchers: 1000, EventsHeartbeat: 15 * time.Second,
}

func newSystem(t testing.TB) *system {
	t.Helper()
	s := &system{t: t}
	var err error
	if s.nats, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT,
		NoLog: true, NoSigs: true,
	}); err != nil {
		t.Fatal(err)
	}
	go s.nats.Start()
	t.Cleanup(s.nats.WaitForShutdown)
	t.Cleanup(s.nats.Shutdown)
	if !s.nats.ReadyForConnections(time.Minute) {
		t.Fatal("NATS did not start")
	}
	s.database = pgtest.ForTest(t)
	if err := store.Migrate(t.Context(), s.database); err != nil {
		t.Fatal(err)
	}
	s.stopWorker = s.startWorker()
	s.base, _ = s.startAPI(apiConfig)
	return s
}

func (s *system) dial() *nats.Conn {
	s.t.Helper()
	nc, err := nats.Connect(s.nats.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.Timeout(time.Minute))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}

// startAPI runs an API until the test ends or stop is called.
func (s *system) startAPI(config api.Config) (base string, stop func()) {
	s.t.Helper()
	nc := api.Connections{Requests: s.dial(), Changes: s.dial()}
	a, err := api.Listen(nc, config, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	return "http://" + a.Addr(), s.run(a.Run)
}

// startWorker runs a worker until the test ends or stop is called.
func (s *system) startWorker() (stop func()) {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.database, worker.Connections)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(db.Close)
	w, err := worker.New(s.dial(), s.dial(), db, workerConfig, "0.0.0",
		slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	stop = s.run(w.Run)
	eventually(s.t, "the worker is ready", func() bool { return w.Ready(s.t.Context()) == nil })
	return stop
}

// run calls f until the test ends or stop is called.
func (s *system) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("stopping: %v", err)
		}
	})
	s.t.Cleanup(stop)
	return stop
}

// eventually waits for a condition; only a failing test waits for the deadline.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, 5*time.Minute, what, condition)
}

// newUser returns the id of a user whom no other test has, nor this one when it runs again.
func newUser(t testing.TB) string { return t.Name() + " " + rand.Text()[:8] }

// newClient returns a client whose idle connections are closed at the end of the test.
func newClient(t testing.TB, base string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(base, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}
