package worker_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	natstest "github.com/nats-io/nats-server/v2/test"
	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/clock"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var config = worker.Config{
	DrainTimeout: deadline,
	MaxDocument:  64 << 10, MaxDepth: 32, MaxKeys: 10_000,
	HistoryVersions: 100, HistoryBytes: 16 << 20,
	HistoryAge: 24 * time.Hour,
}

// connect returns a connection to a new NATS server.
func connect(t *testing.T) *nats.Conn {
	t.Helper()
	options := natstest.DefaultTestOptions
	options.Port = -1
	server := natstest.RunServer(&options)
	t.Cleanup(server.WaitForShutdown)
	t.Cleanup(server.Shutdown)
	return dial(t, server.ClientURL())
}

func dial(t *testing.T, url string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, nats.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// open returns a store on a new database.
func open(t *testing.T) *store.Store {
	t.Helper()
	s, _ := openAt(t)
	return s
}

// openAt returns the database's address for a superuser, too.
func openAt(t *testing.T) (s *store.Store, url string) {
	t.Helper()
	url = pgtest.ForTest(t)
	pgtest.GiveRoles(t, url)
	if err := store.Migrate(t.Context(), pgtest.As(t, pgtest.Migrator, url)); err != nil {
		t.Fatal(err)
	}
	return openBy(t, url), url
}

// openBy returns a store on the database at this address, with a worker's role.
func openBy(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), pgtest.As(t, pgtest.Worker, url), worker.Connections)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// start runs a worker beside nc until the test ends or stop is called.
func start(t *testing.T, nc *nats.Conn, s worker.Store, c worker.Config,
	change ...func(*worker.Worker),
) (w *worker.Worker, stop func()) {
	t.Helper()
	return startLogging(t, nc, s, c, slog.New(slog.DiscardHandler), change...)
}

func startLogging(t *testing.T, nc *nats.Conn, s worker.Store, c worker.Config,
	log *slog.Logger, change ...func(*worker.Worker),
) (w *worker.Worker, stop func()) {
	t.Helper()
	w, err := worker.New(dial(t, nc.ConnectedUrl()), dial(t, nc.ConnectedUrl()), s, c, "1.2.3", log)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	eventually(t, "the worker is ready", func() bool { return w.Ready(t.Context()) == nil })
	return w, stop
}

// deadline is for what comes at once on an idle machine. Only a failure waits for it.
const deadline = 2 * time.Minute

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, deadline, what, condition)
}

// do sends one operation to where it belongs.
func do(t *testing.T, nc *nats.Conn, o messages.Operation) messages.Result {
	t.Helper()
	return ask(t, nc, o.Action.Subject(), o).Results[0]
}

// ask sends operations in one request, and returns all results in their order.
func ask(t *testing.T, nc *nats.Conn, subject string,
	operations ...messages.Operation,
) messages.Reply {
	t.Helper()
	return collect(t, sendTo(t, nc, subject, operations...), len(operations))
}

// send sends operations in one request and returns where the replies come.
func send(t *testing.T, nc *nats.Conn, operations ...messages.Operation) *nats.Subscription {
	t.Helper()
	return sendTo(t, nc, operations[0].Action.Subject(), operations...)
}

func sendTo(t *testing.T, nc *nats.Conn, subject string, operations ...messages.Operation,
) *nats.Subscription {
	t.Helper()
	reply := nc.NewInbox()
	sub, err := nc.SubscribeSync(reply)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishRequest(subject, reply, encode(t, operations...)); err != nil {
		t.Fatal(err)
	}
	return sub
}

// collect waits for the replies to n operations, and returns all results in their order.
func collect(t *testing.T, sub *nats.Subscription, n int) (all messages.Reply) {
	t.Helper()
	all.Results = make([]messages.Result, n)
	for open := n; open > 0; {
		r := nextReply(t, sub, n)
		all.Worker, all.Kind, all.Detail = r.Worker, r.Kind, r.Detail
		if r.Kind != "" {
			return all
		}
		for i, result := range r.Results {
			if len(r.Of) > 0 {
				i = r.Of[i]
			}
			all.Results[i] = result
			open--
		}
	}
	return all
}

// nextReply waits for the next reply to n operations that says more than that the worker is at
// them.
func nextReply(t *testing.T, sub *nats.Subscription, n int) messages.Reply {
	t.Helper()
	for {
		m, err := sub.NextMsg(deadline)
		if err != nil {
			t.Fatal(err)
		}
		if r := decode(t, m, n); !r.Working {
			return r
		}
	}
}

// encode makes a request of operations.
func encode(t *testing.T, operations ...messages.Operation) []byte {
	t.Helper()
	data, err := messages.EncodeRequest(messages.Request{Operations: operations})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decode reads the reply to a request of n operations.
func decode(t *testing.T, m *nats.Msg, n int) messages.Reply {
	t.Helper()
	r, err := messages.DecodeReply(m.Data, n)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Results {
		r.Results[i].Took = 0 // differs from time to time
	}
	return r
}

func read(user string) messages.Operation {
	return messages.Operation{Action: messages.ActionRead, User: user}
}

func replace(user, id, document string) messages.Operation {
	return messages.Operation{
		Action: messages.ActionReplace, User: user, ID: id, Document: []byte(document),
	}
}

// fakeStore stands in where the real one can't be made to misbehave at will.
type fakeStore struct {
	gate  chan struct{} // reads wait for it
	err   error         // of reads
	prune func(context.Context, store.Retention) (int64, time.Duration, error)
}

func (f *fakeStore) Ping(context.Context) error { return nil }

func (f *fakeStore) Clock() *clock.Clock { return new(clock.Clock) }

func (f *fakeStore) FollowPrimary(context.Context) {}

func (f *fakeStore) Read(_ context.Context, reads []store.Read) ([]store.Found, error) {
	<-f.gate
	return make([]store.Found, len(reads)), f.err
}

func (f *fakeStore) WriteInParts(_ context.Context, writes []store.Write,
	done func([]int, []store.Written),
) []store.Written {
	outcomes := make([]store.Written, len(writes))
	for i := range writes {
		done([]int{i}, outcomes)
	}
	return outcomes
}

func (f *fakeStore) CreateToken(_ context.Context, t store.Token, _ time.Time,
) (store.Token, error) {
	return t, nil
}

func (f *fakeStore) RevokeToken(context.Context, string, time.Time) error { return nil }

func (f *fakeStore) UsedTokens(context.Context, []store.TokenUse) error { return nil }

func (f *fakeStore) ConfigureToken(context.Context, string, *store.Token) error { return nil }

func (f *fakeStore) Prune(ctx context.Context, keep store.Retention) (int64, time.Duration, error) {
	if f.prune == nil {
		return 0, time.Hour, nil
	}
	return f.prune(ctx, keep)
}
