package worker_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/internal/pool"
	"github.com/outset-settings/outset/internal/testmetrics"
	"github.com/outset-settings/outset/internal/worker"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestMetrics: each operation is counted once, by what became of it, and so is each round trip.
func TestMetrics(t *testing.T) {
	t.Parallel()
	nc, s := connect(t), open(t)
	w, _ := start(t, nc, s, config)
	ask(t, nc, messages.ReadSubject, read("ann"), read("bob"), read(""))
	for range 2 { // the second repeats the first
		ask(t, nc, messages.WriteSubject, replace("ann", "1", `{}`))
	}
	ask(t, nc, messages.WriteSubject, replace("bob", "2", `[]`), messages.Operation{Action: 200})
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	// An operation is answered before its batch ends and is counted.
	eventually(t, "all batches are counted", func() bool {
		got := testmetrics.Of(t, w.Metrics())
		return got[`outset_worker_queue_wait_seconds_count{queue="read"}`] == 2 &&
			got[`outset_worker_queue_wait_seconds_count{queue="write"}`] == 3
	})
	testmetrics.Of(t, w.Metrics()).Want(t, testmetrics.Values{
		fmt.Sprintf(`outset_worker_info{host=%q,id=%q,pid="%d"}`, host, w.ID(), os.Getpid()): 1,

		`outset_worker_operations_total{endpoint="read",kind="ok"}`:                2,
		`outset_worker_operations_total{endpoint="read",kind="malformed"}`:         1,
		`outset_worker_operations_total{endpoint="write",kind="ok"}`:               2,
		`outset_worker_operations_total{endpoint="write",kind="invalid-document"}`: 1,
		`outset_worker_operations_total{endpoint="write",kind="unknown-action"}`:   1,
		`outset_worker_operations_replayed_total`:                                  1,
		`outset_worker_batch_operations_sum{queue="read"}`:                         2,
		`outset_worker_queue_wait_seconds_count{queue="write"}`:                    3,
		`outset_worker_lanes{queue="write"}`:                                       worker.Lanes,
		`outset_worker_lanes{queue="schema"}`:                                      1,
		`outset_worker_database_reachable`:                                         1,
		`outset_worker_nats_reconnects_total{connection="changes"}`:                0,
	})
	// The repetition is published, too.
	eventually(t, "the changes are published", func() bool {
		return testmetrics.Of(t, w.Metrics())["outset_worker_changes_published_total"] == 2
	})
	database := testmetrics.Of(t, s.Metrics())
	database.Want(t, testmetrics.Values{
		"outset_postgres_connections_max":                               worker.Connections,
		`outset_postgres_round_trip_seconds_count{operation="read"}`:    1,
		`outset_postgres_round_trip_seconds_count{operation="replace"}`: 2,
		`outset_postgres_round_trip_seconds_count{operation="lock"}`:    1,
		`outset_postgres_round_trip_seconds_count{operation="commit"}`:  2, // one of tokens, at the start
	})
	eventually(t, "the history is measured", func() bool {
		return testmetrics.Of(t, s.Metrics())["outset_postgres_history_bytes"] > 0
	})
}

// TestRefusedMetrics: what waits and what is refused while the store is stuck, as metrics and as
// signals.
func TestRefusedMetrics(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	fake := &fakeStore{gate: make(chan struct{})}
	w, _ := start(t, nc, fake, config, func(w *worker.Worker) { w.SetMaxQueue(8) })
	refused := func() float64 {
		return testmetrics.Of(t, w.Metrics())[`outset_worker_queue_refused_total{queue="read"}`]
	}
	sent := 0
	for refused() == 0 {
		send(t, nc, read("ann"))
		sent++
		eventually(t, "the operation has come", func() bool {
			return int(readData(t, nc).InFlight)+int(refused()) == sent
		})
	}
	got := testmetrics.Of(t, w.Metrics())
	signals := readData(t, nc)
	if signals.Lanes != worker.Lanes || signals.Refused != uint64(refused()) || signals.Oldest <= 0 ||
		float64(signals.Waiting) != got[`outset_worker_queue_operations{queue="read"}`] ||
		signals.Waiting == 0 || got[`outset_worker_queue_oldest_seconds{queue="read"}`] <= 0 {
		t.Errorf("signals %+v, metrics %v", signals, got)
	}
	got.Want(t, testmetrics.Values{
		`outset_worker_lanes_busy{queue="read"}`:                            worker.Lanes,
		`outset_worker_operations_total{endpoint="read",kind="overloaded"}`: refused(),
	})
	close(fake.gate)
}

// readData is what the service discovery tells of the endpoint for reads.
func readData(t *testing.T, nc *nats.Conn) (data pool.EndpointData) {
	t.Helper()
	m, err := nc.Request("$SRV.STATS.outset", nil, deadline)
	if err != nil {
		t.Fatal(err)
	}
	var s micro.Stats
	if err := json.Unmarshal(m.Data, &s); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(s.Endpoints[0].Data, &data); err != nil {
		t.Fatal(err)
	}
	return data
}
