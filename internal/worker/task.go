package worker

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// task is one request on its way through the worker.
type task struct {
	message    *nats.Msg
	arrived    time.Time
	operations []messages.Operation
	results    []messages.Result

	open   []int         // indexes of the operations that have no result yet
	writes []store.Write // of the open ones that make a version, in the same order
	// unwritten is how many of the writes have no result yet, once they are under way.
	unwritten int
	answered  bool                   // or on its way to be, before the batch has ended
	tokens    []int                  // indexes of those that change tokens, which come after the open
	schemas   map[int]*schema.Schema // on trial, by index
}

// newTask prepares the operations of a message.
func (e *endpoint) newTask(m *nats.Msg, operations []messages.Operation) *task {
	t := &task{
		message: m, arrived: time.Now(),
		operations: operations, results: make([]messages.Result, len(operations)),
	}
	for i := range operations {
		switch o := &operations[i]; {
		case e.prepare(t, i):
		case changesTokens(o):
			t.tokens = append(t.tokens, i)
		default:
			t.open = append(t.open, i)
		}
	}
	return t
}

// size is what the task takes up in a batch.
func (t *task) size() batch.Size {
	return batch.Size{Count: len(t.open), Bytes: len(t.message.Data)}
}

// settle gives the same result to the operations at these indexes.
func (t *task) settle(indexes []int, r messages.Result) {
	for _, i := range indexes {
		t.results[i] = r
	}
}

// dropExpired settles those of the operations that nobody waits for any more, and returns the
// indexes of the others. The deadlines of writes are the database's to check, after it has searched
// the log for a repetition.
func (t *task) dropExpired(indexes []int) []int {
	now := time.Now()
	open := indexes[:0]
	for _, i := range indexes {
		if t.operations[i].Expired(now) {
			t.results[i] = messages.Result{
				Kind: messages.KindExpired, Detail: "the deadline passed in the worker's queue",
			}
		} else {
			open = append(open, i)
		}
	}
	return open
}

// prepare checks the operation at index i and computes what it can without the store. It returns
// true if the operation has its result by then.
func (e *endpoint) prepare(t *task, i int) (settled bool) {
	o, r := &t.operations[i], &t.results[i]
	if r.Kind, r.Detail = e.check(o); r.Kind != "" {
		return true
	}
	switch {
	case o.Expired(t.arrived):
		r.Kind, r.Detail = messages.KindExpired, "the deadline had passed when the worker got it"
		return true
	case o.Action == messages.ActionLimits:
		r.Document = e.worker.limitsJSON
		return true
	case o.Action == messages.ActionTrySchema:
		return e.prepareTrial(t, i)
	case !o.Action.Writes() || changesTokens(o):
		return false
	}
	w, err := e.worker.writeOf(o)
	if err != nil && o.Keyed {
		// It may have been applied under other limits: then it gets its first answer.
		w.Wrong, err = err, nil
	}
	if err != nil {
		*r = e.worker.failure(o, err)
		return true
	}
	t.writes = append(t.writes, w)
	return false
}

// check is [messages.Operation.Check] of a worker that may know fewer actions, see
// [Config.LastAction].
func (e *endpoint) check(o *messages.Operation) (messages.Kind, string) {
	if o.Action > e.worker.config.lastAction() {
		return messages.KindUnknownAction, messages.UnknownAction(o.Action)
	}
	return o.Check(e.subject)
}

// prepareTrial compiles a schema on trial.
func (e *endpoint) prepareTrial(t *task, i int) (settled bool) {
	compiled, err := e.worker.compileTrial(t.operations[i].Document)
	if err != nil {
		t.results[i] = e.worker.failure(&t.operations[i], err)
		return true
	}
	if t.schemas == nil {
		t.schemas = make(map[int]*schema.Schema)
	}
	t.schemas[i] = compiled
	return false
}
