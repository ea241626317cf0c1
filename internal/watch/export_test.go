package watch

// NextLook is nextLook.
var NextLook = nextLook

// Kept is how many bytes of events the feed keeps.
func (f *Feed) Kept() (bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tails {
		if t != nil {
			bytes += t.bytes
		}
	}
	return bytes
}
