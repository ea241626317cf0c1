package api

import (
	"bytes"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/outset-settings/outset/pkg/messages"
)

// batchRoom is how many bytes the bodies of batches and their answers may take altogether. One
// batch takes what its body has and, for each operation, the largest document.
const batchRoom = 256 << 20

// room is what a request has taken of a bounded number of bytes.
type room struct {
	of    *semaphore.Weighted
	taken int64
	once  sync.Once
}

// take takes so many bytes more. Its error is a problem.
func (r *room) take(bytes int) error {
	if !r.of.TryAcquire(int64(bytes)) {
		return problem{
			kind: messages.KindOverloaded, detail: "too many large batches are under way already",
		}
	}
	r.taken += int64(bytes)
	return nil
}

// leave gives all of it back, once.
func (r *room) leave() { r.once.Do(func() { r.of.Release(r.taken) }) }

// roomy is a body that leaves its room when it has been sent, or can't be.
type roomy struct {
	*bytes.Reader

	room *room
}

// Close is called by fasthttp.
func (r *roomy) Close() error {
	r.room.leave()
	return nil
}
