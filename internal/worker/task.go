package worker

import (
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/batch"
	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/tracing"
	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// task is one request on its way through the worker. Its operations go their own ways, and are
// answered as their results come.
type task struct {
	endpoint *endpoint
	message  *nats.Msg
	proof    []byte // of the request, for its replies
	trace    tracing.Place
	arrived  time.Time
	works    []work

	mu    sync.Mutex
	open  int       // operations without a result
	ready []int     // indexes of those that have one and were not answered yet
	heard time.Time // when the sender last got a reply
}

// work is one operation of a task, and what has come of it so far.
type work struct {
	*messages.Operation

	task   *task
	index  int
	result messages.Result
	took   time.Duration // computing, but for a schema
	// compiling is how long its schema took to compile, which is charged where that was done.
	compiling time.Duration
	write     store.Write    // what it writes, once that has been prepared
	trial     *schema.Schema // the schema on trial, once that has been compiled
	// settled: its result was known once its schema had been compiled.
	settled bool
}

func newTask(e *endpoint, m *nats.Msg, request *messages.Request) *task {
	now, operations := time.Now(), request.Operations
	t := &task{
		endpoint: e, message: m, proof: request.Proof(), arrived: now, heard: now,
		trace: tracing.ParsePlace(request.Trace),
		works: make([]work, len(operations)), open: len(operations),
		ready: make([]int, 0, len(operations)),
	}
	for i := range operations {
		t.works[i] = work{Operation: &operations[i], task: t, index: i}
	}
	return t
}

// size is what a work takes up in a batch.
func size(w *work) batch.Size {
	return batch.Size{Count: 1, Bytes: w.Size(), Cost: w.Cost()}
}

// settle notes that a work has its result. Answer sends it.
func (t *task) settle(w *work) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ready = append(t.ready, w.index)
	t.open--
}

// takeReady returns the works that have their results since the last call, and whether any have
// none yet.
func (t *task) takeReady() (ready []int, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ready) > 0 {
		ready, t.ready, t.heard = t.ready, nil, time.Now()
	}
	return ready, t.open > 0
}

// expired settles a work that nobody waits for any more. The deadlines of writes are the database's
// to check, after it has searched the log for a repetition.
func (w *work) expired(now time.Time) bool {
	if !w.Expired(now) {
		return false
	}
	w.result = messages.Result{
		Kind: messages.KindExpired, Detail: "the deadline passed in the worker's queue",
	}
	return true
}

// finish settles a work that a batch has done, or that a batcher has not taken. Of the latter only
// those that wait when it is closed come without a call of answer that follows.
func finish(w *work, _ time.Duration, err error) {
	if err != nil {
		w.result = refused(err)
	}
	w.task.settle(w)
	if errors.Is(err, batch.ErrClosed) {
		w.task.answer()
	}
}
