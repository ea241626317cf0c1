package worker

import (
	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/failpoint"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// ChangesBuffer is for the connection on which changes are told. Nobody waits for them, so they leave together: one at a time, as
// replies do, each would cost a system call.
var ChangesBuffer = nats.WriteBufferSize(32 << 10)

// tell publishes what a batch has changed, after its commit. A repetition is told again: who applied it may have died
// before it told. What is lost, those who watch find out by themselves.
func (w *Worker) tell(writes []store.Write, outcomes []store.Written) {
	for i := range outcomes {
		o := &outcomes[i]
		if o.Err != nil || writes[i].User == store.SchemaUser || failpoint.Hit("worker/change-lost") {
			continue
		}
		data, err := messages.EncodeChanged(messages.Changed{Version: o.Version, Modified: millis(o.Modified), Absent: o.Absent})
		if err == nil {
			err = w.changes.Publish(messages.ChangedSubject(writes[i].User), data)
		}
		if err != nil { // for all of them: the connection is lost
			w.log.Debug("changes not told", "error", err)
			return
		}
	}
}
