package queue_test

import (
	"sync/atomic"
	"testing"

	"github.com/outset-settings/outset/internal/queue"
	"github.com/outset-settings/outset/internal/testmetrics"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestMetrics: a worker that is silent once, and before it none.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSystem(t, shortTimeout)
	want(t, s.Read(read(timeout)), messages.KindUnavailable)
	nobody := `outset_api_nats_requests_total{outcome="no_responders"}`
	before := testmetrics.Of(t, s.Metrics())
	before.Want(t, testmetrics.Values{
		nobody: 1, `outset_api_operations_total{kind="unavailable",queue="read"}`: 1,
		`outset_api_workers{state="serving"}`: 0, `outset_api_lanes{queue="read"}`: 3,
		`outset_api_retry_budget_operations`: queue.RetryReserve,
	})
	var asked atomic.Int32
	s.answer(messages.WriteSubject, answers(&asked, silence, replayed))
	want(t, s.Write(write(timeout)), "")
	n := float64(asked.Load())
	got := testmetrics.Of(t, s.Metrics())
	got.Want(t, testmetrics.Values{
		`outset_api_nats_requests_total{outcome="answered"}`:         1,
		`outset_api_nats_requests_total{outcome="no_answer"}`:        n - 1,
		`outset_api_operations_asked_again_total{after="no_answer"}`: n - 1,
		`outset_api_operations_asked_again_total{after="refusal"}`:   0,
		`outset_api_retry_budget_operations`:                         queue.RetryReserve - n + 1,
		`outset_api_operations_total{kind="ok",queue="write"}`:       1,
		`outset_api_operations_replayed_total`:                       0, // it wasn't the client's
		`outset_api_batch_operations_count{queue="write"}`:           1,
	})
	if n < 2 || got[`outset_api_lanes_busy_seconds_total{queue="write"}`] < shortTimeout.Seconds() {
		t.Errorf("%v", got)
	}
	eventually(t, "the worker is counted", func() bool {
		return testmetrics.Of(t, s.Metrics())[`outset_api_workers{state="serving"}`] == 1
	})
}
