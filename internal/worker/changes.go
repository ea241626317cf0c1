package worker

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/failpoint"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// ChangesBuffer is an option for the connection on which changes are published and the service
// discovery is answered. Nobody waits for them, so they leave together: one at a time, as replies
// do, each would cost a system call.
var ChangesBuffer = nats.WriteBufferSize(32 << 10)

// maxPendingChanges is how many parts of batches may wait for their changes to be published. Those
// of further parts are dropped: acknowledging a write never waits for subscribers, who also ask for
// the version now and then.
const maxPendingChanges = 64

// change is a new version of a user's document.
type change struct {
	user    string
	changed messages.Changed
}

// queueChanges hands what a part of a batch has committed to the goroutine that publishes it. The
// change of a repetition is published again: the worker that applied it may have died before.
func (w *Worker) queueChanges(writes []store.Write, outcomes []store.Written, part []int) {
	changes := make([]change, 0, len(part))
	for _, i := range part {
		if o := &outcomes[i]; o.Err == nil && writes[i].User != store.SchemaUser &&
			!failpoint.Hit("worker/change-lost") {
			changes = append(changes, change{writes[i].User, messages.Changed{
				Version: o.Version, Modified: micros(o.Modified), Absent: o.Absent,
			}})
		}
	}
	if len(changes) == 0 {
		return
	}
	select {
	case w.pendingChanges <- changes:
	default:
		w.figures.changesDropped.Add(float64(len(changes)))
	}
}

// startPublishing publishes changes until stop is called. No more may be queued then.
func (w *Worker) startPublishing() (stop func(context.Context)) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for changes := range w.pendingChanges {
			if err := w.publish(changes); err != nil {
				w.log.Debug("changes not published", "error", err)
			}
		}
	}()
	return func(ctx context.Context) {
		close(w.pendingChanges)
		<-stopped
		ctx, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		if w.changesConn.IsConnected() {
			_ = w.changesConn.FlushWithContext(ctx) // subscribers also ask for the version
		}
	}
}

// publish stops at the first failure, which is a lost connection: all others would fail, too.
func (w *Worker) publish(changes []change) error {
	for i, c := range changes {
		data, err := messages.EncodeChanged(c.changed)
		if err == nil {
			err = w.changesConn.Publish(messages.ChangedSubject(c.user), data)
		}
		if err != nil {
			w.figures.changesDropped.Add(float64(len(changes) - i))
			return err
		}
		w.figures.changesPublished.Inc()
	}
	return nil
}
