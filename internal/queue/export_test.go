package queue

import "github.com/outset-settings/outset/pkg/messages"

// MaxMembers is how many workers are known at most.
const MaxMembers = maxMembers

// Members is how many workers are known.
func (q *Queue) Members() int {
	q.workers.mu.Lock()
	defer q.workers.mu.Unlock()
	return len(q.workers.members)
}

// DecodePong reads an answer to a count of the workers.
func DecodePong(data []byte) (id string, knows messages.Action, err error) {
	id, told, err := decodePong(data)
	return id, told.knows, err
}

// DecodeTime reads the time in an answer to a count of the workers.
func DecodeTime(data []byte) (micros int64, err error) {
	_, told, err := decodePong(data)
	return told.time, err
}

// RetryReserve is how many operations may be asked again, beside a tenth of the others.
const RetryReserve = retryReserve

// WriteTogether has writes done in one batch, and hands over the result of each.
func (q *Queue) WriteTogether(operations []*messages.Operation, done func(messages.Result)) {
	q.writes.Go(operations, func(o *messages.Operation, r messages.Result, err error) {
		done(q.writes.result(o, r, err))
	})
}
