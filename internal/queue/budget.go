package queue

import "sync"

// Asking again is bounded, or an overload would feed itself: at most a tenth of what is asked for
// the first time, as the Google SRE book ("Handling Overload") and gRPC's retry throttling (gRFC
// A6) have it. What a worker had taken when it died is asked again at once: the reserve is for
// that.
const (
	retryShare   = 10 // one repetition for so many operations
	retryReserve = 4096
)

// budget is what may be asked again.
type budget struct {
	mu   sync.Mutex
	left int // in operations, times retryShare
}

func newBudget() *budget { return &budget{left: retryReserve * retryShare} }

// operations is how many operations may be asked again now.
func (b *budget) operations() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left / retryShare
}

// earn adds what operations that are asked for the first time allow.
func (b *budget) earn(operations int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = min(b.left+operations, retryReserve*retryShare)
}

// spend tells whether these operations may be asked again. Half of the reserve is for those that
// had no answer: however much is refused, what a worker had taken when it died is asked again.
func (b *budget) spend(operations int, silence bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := retryReserve * retryShare / 2
	if silence {
		kept = 0
	}
	if operations*retryShare > b.left-kept {
		return false
	}
	b.left -= operations * retryShare
	return true
}
