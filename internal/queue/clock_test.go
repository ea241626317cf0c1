package queue_test

import (
	"math"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/queue"
	"github.com/outset-settings/outset/internal/testmetrics"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestDatabasesClock: where the database's clock and ours differ, the times of operations are the
// database's, and an operation has as long as it should.
func TestDatabasesClock(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]time.Duration{
		"we are behind": time.Hour, "we are ahead": -time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, timeout)
			var asked atomic.Int32
			s.startWorker(messages.WriteSubject, worker{
				id: "w", ahead: ahead, answer: answers(&asked, applied),
			})
			eventually(t, "its time is known", func() bool {
				return (time.Until(s.Now()) - ahead).Abs() < time.Minute
			})
			told := testmetrics.Of(t, s.Metrics())["outset_api_database_clock_ahead_seconds"]
			if math.Abs(told-ahead.Seconds()) > 60 {
				t.Errorf("the metric says %v s", told)
			}
			o := write(0)
			o.Deadline = s.Now().Add(timeout).UnixMilli()
			want(t, s.Write(o), "")
			o = write(0)
			o.Deadline = s.Now().Add(-time.Minute).UnixMilli()
			want(t, s.Write(o), messages.KindExpired)
		})
	}
}

// TestForgedTime: a time that can't be is not taken over.
func TestForgedTime(t *testing.T) {
	t.Parallel()
	now := time.Now().UnixMicro()
	for told, want := range map[string]int64{
		"": 0, "now": 0, "-1": 0, "0": 0, "9223372036854775807": 0, "1e9": 0,
		strconv.FormatInt(now, 10): now,
	} {
		got, err := queue.DecodeTime(pong(t, messages.ServiceName, "w", map[string]string{
			messages.TimeKey: told,
		}))
		if err != nil || got != want {
			t.Errorf("%q tells %d, %v", told, got, err)
		}
	}
}
