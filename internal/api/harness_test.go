package api_test

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natstest "github.com/nats-io/nats-server/v2/test"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

func TestMain(m *testing.M) {
	// Most tests wait for the network, so that more of them than there are processors may run.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	pgtest.Main(m,
		// fasthttp keeps one clock for the whole process, and its pool sees only every ten
		// seconds that its server was shut down.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// system is what a test runs: an embedded NATS server, an API that is reached over
// HTTP, and as many workers as the test starts.
type system struct {
	t        testing.TB
	nats     *server.Server
	api      *api.Server
	base     string // its URL
	prefix   string // of the paths that are asked for, which a proxy takes away
	client   *http.Client
	workers  *nats.Conn // of those that the test plays
	database string     // made when the first worker needs it
	log      *testlog.Buffer
	trust    *tls.Config // of clients, where the API has TLS
	tags     *tags
}

// apiConfig is an API that waits long enough for everything, however busy the machine is: only a
// failure takes so long. A test of a timeout sets that one.
var apiConfig = api.Config{
	HTTPAddr: "127.0.0.1:0", RequestTimeout: ample, WorkerGrace: ample, ReadTimeout: ample,
	IdleTimeout: ample, MaxDocument: 64 << 10, MaxConnections: 1000,
	MaxWatchers: 1000, EventsHeartbeat: 15 * time.Second,
	EdgeConfig: api.EdgeConfig{HTTPHosts: []string{"x"}}, // the name in requests written by hand
}

// ample is far more time than anything takes.
const ample = 3 * time.Minute

// timing is what an API of the tests has in the place of times that are made for people. A worker
// on a busy machine may take longer than the second that an attempt has; after that a refusal is no
// answer any more, since the first attempt may be applied yet.
var timing = api.Timing{
	Farewell: 10 * time.Millisecond, Write: ample, Persistence: ample,
	PersistencePause: 5 * time.Millisecond, Leftover: 5 * time.Second, Attempt: 20 * time.Second,
}

var workerConfig = worker.Config{
	DrainTimeout: ample,
	MaxDocument:  64 << 10, MaxDepth: 32, MaxKeys: 10_000,
	HistoryVersions: 100, HistoryBytes: 16 << 20,
	HistoryAge: 24 * time.Hour,
}

// newSystem starts NATS and the API.
func newSystem(t testing.TB, config api.Config, change ...func(*server.Options)) *system {
	t.Helper()
	options := natstest.DefaultTestOptions
	options.Port = -1
	for _, f := range change {
		f(&options)
	}
	s := &system{t: t, log: &testlog.Buffer{}, tags: new(tags)}
	s.nats = natstest.RunServer(&options)
	t.Cleanup(func() { s.stopNATS() }) // after all else, also where it was restarted
	s.workers = s.dial()               // first, so that it is closed last: the API is answered while it stops
	s.base, _ = s.startAPI(config)
	// A test that wants gzip asks for it.
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	s.client = &http.Client{Transport: transport, Timeout: ample}
	t.Cleanup(transport.CloseIdleConnections)
	return s
}

// dial connects as the programs do: for ever, and sending nothing late.
func (s *system) dial() *nats.Conn {
	s.t.Helper()
	nc, err := nats.Connect(s.nats.ClientURL(), nats.Timeout(time.Minute),
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}

func (s *system) connections() api.Connections {
	s.t.Helper()
	return api.Connections{Requests: s.dial(), Changes: s.dial()}
}

// startAPI runs an API until the test ends or stop is called.
func (s *system) startAPI(config api.Config) (base string, stop func()) {
	s.t.Helper()
	a, base, stop := s.startWith(config, timing, 0)
	s.api = a
	return base, stop
}

// startWith does the same with these times, and so many bytes for multi-requests; 0: the default.
func (s *system) startWith(config api.Config, timing api.Timing, multiBytes int64) (
	a *api.Server, base string, stop func(),
) {
	s.t.Helper()
	a, err := api.ListenWith(s.connections(), config, timing, multiBytes, s.logger())
	if err != nil {
		s.t.Fatal(err)
	}
	base = a.URL()
	return a, base, s.run(a.Run)
}

// logger is what the API and the workers log to. A benchmark measures no lines for each request.
func (s *system) logger() *slog.Logger {
	if _, ok := s.t.(*testing.B); ok {
		return slog.New(slog.DiscardHandler)
	}
	return s.log.Logger()
}

// startPatient is startAPI with an API that asks a worker only once. The test may hold its answer
// back as long as it has to.
func (s *system) startPatient() (stop func()) {
	s.t.Helper()
	patient := timing
	patient.Attempt = ample
	s.api, s.base, stop = s.startWith(apiConfig, patient, 0)
	return stop
}

// startWorker runs a worker on the system's database until the test ends or stop is called.
func (s *system) startWorker() (stop func()) {
	s.t.Helper()
	return s.startWorkerWith(workerConfig)
}

func (s *system) startWorkerWith(config worker.Config) (stop func()) {
	s.t.Helper()
	if s.database == "" {
		s.database = pgtest.ForTestFrom(s.t, store.Migrate)
	}
	db, err := store.Open(s.t.Context(), s.database, worker.Connections)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(db.Close)
	db.LimitHistory(int64(config.HistoryBytes))
	w, err := worker.New(s.dial(), s.dial(), db, config, "0.0.0", s.logger())
	if err != nil {
		s.t.Fatal(err)
	}
	stop = s.run(w.Run)
	eventually(s.t, "the worker is ready", func() bool { return w.Ready(s.t.Context()) == nil })
	return stop
}

// startFake answers requests in the place of a worker: with what answer returns, or not at
// all where that is nil.
func (s *system) startFake(
	subject string, answer func(messages.Request) *messages.Reply,
) *nats.Subscription {
	s.t.Helper()
	sub, err := s.workers.QueueSubscribe(subject, messages.QueueGroup, func(m *nats.Msg) {
		request, err := messages.DecodeRequest(m.Data)
		if err != nil {
			s.t.Errorf("the API sent %x: %v", m.Data, err)
			return
		}
		if reply := answer(request); reply != nil {
			r := *reply // others may share it
			r.Proof = request.Proof()
			data, err := messages.EncodeReply(r)
			if err != nil {
				s.t.Error(err)
			}
			_ = m.Respond(data)
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.workers.Flush(); err != nil {
		s.t.Fatal(err)
	}
	return sub
}

// run calls f until its context ends, at the end of the test at the latest.
func (s *system) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
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

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header // of the entity tag it has only the number
	body   string
	tag    string // the whole entity tag
}

func (s *system) do(method, path, body string, header ...string) answer {
	s.t.Helper()
	a, err := s.try(method, path, body, header...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// try sends a request with the given header lines ("Name: value").
func (s *system) try(method, path, body string, header ...string) (answer, error) {
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path,
		strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, s.tags.expand(path, name, value))
	}
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err == nil {
		checkExchange(s.t, s.asServed(r), []byte(body), response, data)
	}
	tag := s.tags.shorten(path, response.Header)
	return answer{response.StatusCode, response.Header, string(data), tag}, err
}

// asServed is a request as the API gets it.
func (s *system) asServed(r *http.Request) *http.Request {
	served := r.Clone(r.Context())
	served.URL.Path = strings.TrimPrefix(r.URL.Path, s.prefix)
	served.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, s.prefix)
	return served
}

func (s *system) post(user, document string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, "/user/"+user+"/settings", document, isJSON)
}

func (s *system) get(user string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, "/user/"+user+"/settings", "")
}

const isJSON = "Content-Type: application/json"

// has fails the test unless the user has this document at this version.
func (s *system) has(user string, version int, document string) {
	s.t.Helper()
	a := s.get(user)
	if a.status != http.StatusOK || a.body != document || a.header.Get("ETag") != fmt.Sprintf(`"%d"`, version) {
		s.t.Errorf("%s has %d %s %.200s, want %.200s at %d", user, a.status, a.header.Get("ETag"),
			a.body, document, version)
	}
}

// eventually waits for a condition, and fails the test if it takes far too long.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, ample, what, condition)
}

func (s *system) stopNATS() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// restartNATS starts a new server where one was.
func (s *system) restartNATS(addr string) {
	s.t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		s.t.Fatal(err)
	}
	options := natstest.DefaultTestOptions
	if options.Port, err = strconv.Atoi(port); err != nil {
		s.t.Fatal(err)
	}
	s.nats = natstest.RunServer(&options)
}
