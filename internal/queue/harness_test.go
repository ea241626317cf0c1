package queue_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natstest "github.com/nats-io/nats-server/v2/test"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/queue"
	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/pkg/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	timeout = 2 * time.Minute // only a failure waits for it
	// The timeout of an attempt where a worker is silent. If a worker that answers takes longer, it
	// is asked again.
	shortTimeout = 200 * time.Millisecond
)

// system is a NATS server and a queue; workers are up to the test.
type system struct {
	*queue.Queue

	t    testing.TB
	nats *server.Server
}

func newSystem(t testing.TB, attempt time.Duration) *system {
	t.Helper()
	options := natstest.DefaultTestOptions
	options.Port = -1
	s := &system{t: t, nats: natstest.RunServer(&options)}
	t.Cleanup(s.nats.WaitForShutdown)
	t.Cleanup(s.nats.Shutdown)
	s.Queue = queue.New(s.dial(), queue.Config{
		WorkerGrace: time.Hour, AttemptTimeout: attempt,
	}, slog.New(slog.DiscardHandler))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(t.Context()); err != nil {
			t.Log(err) // the test's context ends first
		}
	})
	return s
}

func (s *system) dial() *nats.Conn {
	s.t.Helper()
	nc, err := nats.Connect(s.nats.ClientURL(), nats.Timeout(time.Minute))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}

// worker stands for a real one: it listens in the queue group and on a subject of its own, and
// takes part in the counts.
type worker struct {
	id     string
	knows  messages.Action                        // the highest action; 0: all
	answer func(messages.Request) *messages.Reply // nil: none; its calls are one after the other
	frozen bool                                   // it takes part in no count
	ahead  time.Duration                          // of its database's clock
	// receive, if not nil, takes requests instead of answer.
	receive nats.MsgHandler
}

// startWorker runs a worker until the test ends or stop is called.
func (s *system) startWorker(subject string, w worker) (stop func()) {
	s.t.Helper()
	nc := s.dial()
	receive := w.receive
	if receive == nil {
		receive = func(m *nats.Msg) { w.reply(s.t, m) }
	}
	for _, subject := range []string{subject, messages.WorkerSubject(subject, w.id)} {
		if _, err := nc.QueueSubscribe(subject, messages.QueueGroup, receive); err != nil {
			s.t.Fatal(err)
		}
	}
	if !w.frozen {
		if _, err := nc.Subscribe("$SRV.PING."+messages.ServiceName, func(m *nats.Msg) {
			_ = m.Respond(pong(s.t, messages.ServiceName, w.id, map[string]string{
				messages.ActionsKey: strconv.Itoa(int(w.highest())),
				messages.TimeKey:    strconv.FormatInt(time.Now().Add(w.ahead).UnixMicro(), 10),
			}))
		}); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		s.t.Fatal(err)
	}
	return nc.Close
}

// reply answers a request.
func (w worker) reply(t testing.TB, m *nats.Msg) {
	request, err := messages.DecodeRequest(m.Data)
	if err != nil {
		t.Errorf("the queue sent %x: %v", m.Data, err)
		return
	}
	if reply := w.answer(request); reply != nil {
		r := *reply // others may share it
		r.Worker = w.id
		respond(t, m, r)
	}
}

// respond sends a reply to the request in m.
func respond(t testing.TB, m *nats.Msg, r messages.Reply) {
	request, err := messages.DecodeRequest(m.Data)
	if err != nil {
		t.Error(err)
	}
	r.Proof = request.Proof()
	send(t, m, r)
}

// send sends a reply as it is.
func send(t testing.TB, m *nats.Msg, r messages.Reply) {
	data, err := messages.EncodeReply(r)
	if err != nil {
		t.Error(err)
	}
	_ = m.Respond(data)
}

// startRaw runs a worker that knows all actions and answers as receive does.
func (s *system) startRaw(subject, id string, receive nats.MsgHandler) {
	s.t.Helper()
	s.startWorker(subject, worker{id: id, receive: receive})
}

// answer runs a worker that knows all actions and answers so.
func (s *system) answer(subject string, answer func(messages.Request) *messages.Reply) {
	s.t.Helper()
	s.startWorker(subject, worker{id: "w", answer: answer})
}

func (w worker) highest() messages.Action {
	if w.knows != 0 {
		return w.knows
	}
	return messages.LastAction
}

// answers returns an answer function that gives the replies one after the other, and the last one
// for ever; nil is silence. It counts the requests.
func answers(asked *atomic.Int32, replies ...*messages.Reply) func(messages.Request) *messages.Reply {
	return func(messages.Request) *messages.Reply {
		n := int(asked.Add(1))
		return replies[min(n, len(replies))-1]
	}
}

// one is the reply to a request with one operation.
func one(r messages.Result) *messages.Reply {
	return &messages.Reply{Results: []messages.Result{r}}
}

var operations atomic.Int64

// write is a write with an id of its own.
func write(timeout time.Duration) *messages.Operation {
	return &messages.Operation{
		Action: messages.ActionReplace, User: "ann", Document: []byte("{}"),
		ID: fmt.Sprint("id-", operations.Add(1)), Deadline: time.Now().Add(timeout).UnixMilli(),
	}
}

func read(timeout time.Duration) *messages.Operation {
	return &messages.Operation{
		Action: messages.ActionRead, User: "ann", Deadline: time.Now().Add(timeout).UnixMilli(),
	}
}

// want fails the test unless the result is of this kind.
func want(t testing.TB, r messages.Result, kind messages.Kind) {
	t.Helper()
	if r.Kind != kind {
		t.Errorf("got %+v, want the kind %q", r, kind)
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, timeout, what, condition)
}
