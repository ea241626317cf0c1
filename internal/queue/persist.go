package queue

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// persistPause is how long WriteAll waits before it repeats writes.
const persistPause = 200 * time.Millisecond

// WriteAll has writes done side by side, and returns the result of each at its index; nil has none.
// Each attempt has the timeout. Writes that could not be done for now, or may have been done, are
// repeated with the same ids while persist returns true. It sets the operations' Issued.
func (q *Queue) WriteAll(
	operations []*messages.Operation, timeout time.Duration, persist func() bool,
) []messages.Result {
	results := make([]messages.Result, len(operations))
	var open []int // indexes
	for i, o := range operations {
		if o != nil {
			open = append(open, i)
		}
	}
	for {
		q.writeOnce(operations, open, timeout, results)
		open = slices.DeleteFunc(open, func(i int) bool { return !results[i].Kind.Retryable() })
		if len(open) == 0 || !persist() {
			return results
		}
		wait(context.Background(), persistPause)
	}
}

// writeOnce has the open operations done side by side, and sets their results.
func (q *Queue) writeOnce(operations []*messages.Operation, open []int, timeout time.Duration,
	results []messages.Result,
) {
	var underWay sync.WaitGroup
	for _, i := range open {
		unsure := results[i].Kind == messages.KindOutcomeUnknown
		if !unsure {
			operations[i].Issued = q.Now().UnixMicro()
		}
		o := operation{Operation: new(messages.Operation), unsure: unsure}
		*o.Operation = *operations[i] // the last attempt may still be read
		o.Again, o.Deadline = unsure, q.Deadline(timeout)
		underWay.Add(1)
		q.writes.Go([]*messages.Operation{o.Operation},
			func(asked *messages.Operation, r messages.Result, err error) {
				results[i] = o.last(q.writes.result(asked, r, err))
				underWay.Done()
			})
	}
	underWay.Wait()
}
