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
