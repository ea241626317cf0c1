package hops_test

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/internal/metrics"
	"github.com/outset-settings/outset/internal/metrics/hops"
	"github.com/outset-settings/outset/internal/testmetrics"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestResults: kinds that nobody knows share one series, whatever a worker makes up.
func TestResults(t *testing.T) {
	t.Parallel()
	results := hops.NewResults("x", "queue")
	count := results.Of("read")
	before := len(testmetrics.Of(t, results.Metrics()))
	count("", false)
	count("", true)
	count(messages.KindNotFound, true) // a failure isn't replayed
	for _, kind := range []messages.Kind{"unheard-of", "made-up", "ok"} {
		count(kind, false)
	}
	got := testmetrics.Of(t, results.Metrics())
	got.Want(t, testmetrics.Values{
		`outset_x_operations_total{kind="ok",queue="read"}`:        2,
		`outset_x_operations_total{kind="not-found",queue="read"}`: 1,
		`outset_x_operations_total{kind="other",queue="read"}`:     3,
		`outset_x_operations_replayed_total`:                       1,
	})
	if len(got) != before {
		t.Errorf("there are %d series, and were %d", len(got), before)
	}
}

// TestBatches: what the batchers of two queues do, once they are there.
func TestBatches(t *testing.T) {
	t.Parallel()
	b := hops.NewBatches("x")
	batcher := batch.New(t.Context(), batch.Options[int, int]{
		Lanes: 2, Batch: batch.Size{Count: 10, Bytes: 10}, Queue: batch.Size{Count: 20, Bytes: 20},
		Of: func(int) batch.Size { return batch.Size{Count: 1} },
	}, hops.Observe(b, "one", func(_ context.Context, f *batch.Flight[int, int]) {
		for i, c := range f.Calls {
			f.Answer(i, c)
		}
	}, nil))
	b.Add("one", batcher.Stats)
	b.Add("two", func() batch.Stats { return batch.Stats{Refused: 7, Waiting: 3} })
	for i := range 5 {
		if _, err := batcher.Do(i); err != nil {
			t.Error(err)
		}
	}
	if err := batcher.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	testmetrics.Of(t, []prometheus.Collector{b}).Want(t, testmetrics.Values{
		`outset_x_batch_operations_sum{queue="one"}`:     5,
		`outset_x_batch_operations_count{queue="one"}`:   5,
		`outset_x_queue_wait_seconds_count{queue="one"}`: 5,
		`outset_x_lanes{queue="one"}`:                    2,
		`outset_x_lanes_busy{queue="one"}`:               0,
		`outset_x_queue_refused_total{queue="two"}`:      7,
		`outset_x_queue_operations{queue="two"}`:         3,
	})
}

// BenchmarkResults shows what an operation costs beside its work: a count, and the time that it
// waited.
func BenchmarkResults(b *testing.B) {
	count := hops.NewResults("x", "queue").Of("read")
	wait := metrics.Seconds("x", "wait_seconds", "A time.").WithLabelValues()
	b.ReportAllocs()
	waited := 0.0
	for b.Loop() {
		count("", false)
		waited += 17e-6
		wait.Observe(waited - float64(int(waited*100))/100) // 0 to 10 ms
	}
}
