package batch

// Turn is what a principal may use each time it is their turn.
const Turn = turn

// Principals is how many principals are remembered.
func (b *Batcher[C, R]) Principals() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting.flows)
}
