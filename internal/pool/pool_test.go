package pool_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/pkg/messages"
)

// ample is more than anything takes on a busy machine.
const ample = 2 * time.Minute

// TestUtilisation: from 0 to 1, whatever was before.
func TestUtilisation(t *testing.T) {
	t.Parallel()
	before := pool.Queue{Lanes: 4, Busy: time.Hour}
	for busy, want := range map[time.Duration]float64{0: 0, 10 * time.Second: .25, 40 * time.Second: 1} {
		now := pool.Queue{Lanes: 4, Busy: time.Hour + busy}
		if got := now.Utilisation(before, 10*time.Second); got != want {
			t.Errorf("busy for %v of 4 times 10 s: %v, want %v", busy, got, want)
		}
	}
	if got := (pool.Queue{}).Utilisation(pool.Queue{}, 0); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

// connect starts a NATS server and returns what connects to it.
func connect(t *testing.T) func() *nats.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.WaitForShutdown)
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(ample) {
		t.Fatal("NATS doesn't start")
	}
	return func() *nats.Conn {
		nc, err := nats.Connect(s.ClientURL(), nats.Timeout(ample))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
}

// answer is what a worker answers, changed.
func answer(t *testing.T, id string, change func(*micro.Stats)) []byte {
	t.Helper()
	s := micro.Stats{
		ServiceIdentity: micro.ServiceIdentity{
			Name: messages.ServiceName, ID: id, Version: "1.2.3",
			Metadata: map[string]string{"host": "h", "pid": "7"},
		},
		Started: time.Unix(1_800_000_000, 0),
		Endpoints: []*micro.EndpointStats{{
			Name: "read", NumRequests: 5, NumErrors: 1, ProcessingTime: time.Second,
			Data: json.RawMessage(`{"in_flight":2,"lanes":3,"waited_ns":1000}`),
		}},
	}
	change(&s)
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestAsk: workers are found with their figures, the oldest first, each once; whatever else answers
// is passed over, and what it says is cut.
func TestAsk(t *testing.T) {
	t.Parallel()
	connect := connect(t)
	nc := connect()
	same := func(*micro.Stats) {}
	answers := [][]byte{
		[]byte("no JSON"), nil,
		answer(t, "b", same), answer(t, "b", same),
		answer(t, "not an id", same),
		answer(t, "other", func(s *micro.Stats) { s.Name = "another" }),
		answer(t, "large", func(s *micro.Stats) { s.Metadata["host"] = strings.Repeat("x", 9000) }),
		answer(t, "odd", func(s *micro.Stats) { s.Endpoints[0].Data = json.RawMessage(`[]`) }),
		answer(t, "none", func(s *micro.Stats) { s.Endpoints[0] = nil }),
		answer(t, "a", func(s *micro.Stats) {
			s.Started = s.Started.Add(-time.Hour)
			s.Metadata[messages.DatabaseKey] = messages.DatabaseLost
			s.Metadata["host"] = strings.Repeat("h", 500)
		}),
	}
	crowd := connect()
	if _, err := crowd.Subscribe(pool.Subject, func(m *nats.Msg) {
		for _, data := range answers {
			_ = m.Respond(data)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := crowd.Flush(); err != nil {
		t.Fatal(err)
	}
	found, err := pool.Ask(t.Context(), nc, ample, 3)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, w := range found {
		ids = append(ids, w.ID)
	}
	if fmt.Sprint(ids) != "[a b none]" {
		t.Fatalf("found %v", ids)
	}
	a, b := found[0], found[1]
	if a.State != pool.NoDatabase || len(a.Host) != 128 || b.State != pool.Serving ||
		b.Host != "h" || b.PID != "7" || b.Version != "1.2.3" {
		t.Errorf("%+v, %+v", a, b)
	}
	want := pool.Endpoint{
		Name: "read", Requests: 5, Errors: 1, Processing: time.Second,
		EndpointData: pool.EndpointData{
			InFlight: 2, Queue: pool.Queue{Lanes: 3, Waited: time.Microsecond},
		},
	}
	if len(b.Endpoints) != 1 || b.Endpoints[0] != want {
		t.Errorf("%+v, want %+v", b.Endpoints, want)
	}
	if n := nc.NumSubscriptions(); n > 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

// TestNobody: that there is no worker is known at once, and no error.
func TestNobody(t *testing.T) {
	t.Parallel()
	found, err := pool.Ask(t.Context(), connect(t)(), ample, 0)
	if found == nil || len(found) != 0 || err != nil {
		t.Errorf("%v, %v", found, err)
	}
}
