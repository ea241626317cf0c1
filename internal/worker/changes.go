package worker

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/failpoint"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// ChangesBuffer is for the connection on which changes are told. Nobody waits for them, so they
// leave together: one at a time, as replies do, each would cost a system call.
var ChangesBuffer = nats.WriteBufferSize(32 << 10)

// maxUntold is how many batches may wait to be told of. What exceeds it isn't told: acknowledging a
// write never waits for those who watch, and they find out by themselves.
const maxUntold = 64

// changes are what a batch has changed.
type changes []change

type change struct {
	user    string
	version messages.Changed
}

// changed has what the batch has changed told, after its commit. A repetition is told again: who
// applied it may have died before.
func (w *Worker) changed(writes []store.Write, outcomes []store.Written) {
	told := make(changes, 0, len(outcomes))
	for i := range outcomes {
		if o := &outcomes[i]; o.Err == nil && writes[i].User != store.SchemaUser &&
			!failpoint.Hit("worker/change-lost") {
			told = append(told, change{
				writes[i].User,
				messages.Changed{
					Version: o.Version, Modified: millis(o.Modified),
					Absent: o.Absent,
				},
			})
		}
	}
	select {
	case w.untold <- told:
	default:
	}
}

// startTelling publishes changes until stop is called, when no more are to come.
func (w *Worker) startTelling() (stop func(context.Context)) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for told := range w.untold {
			if err := w.tell(told); err != nil {
				w.log.Debug("changes not told", "error", err)
			}
		}
	}()
	return func(ctx context.Context) {
		close(w.untold)
		<-stopped
		ctx, cancel := context.WithTimeout(ctx, flushTimeout)
		defer cancel()
		if w.changes.IsConnected() {
			_ = w.changes.FlushWithContext(ctx) // who watches finds out in any case
		}
	}
}

// tell fails where the connection is lost; so does all that is left then.
func (w *Worker) tell(told changes) error {
	for _, c := range told {
		data, err := messages.EncodeChanged(c.version)
		if err != nil {
			return err
		}
		if err := w.changes.Publish(messages.ChangedSubject(c.user), data); err != nil {
			return err
		}
	}
	return nil
}
