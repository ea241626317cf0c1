package access

import "time"

// Pace sets how often sources are read, and the pause between two readings.
func (a *Authenticator) Pace(every, pause time.Duration) {
	var all []*refresher
	if a.jwt != nil {
		all = append(all, a.jwt.keys.refresher)
	}
	if a.static != nil {
		all = append(all, a.static.refresher)
	}
	for _, r := range all {
		r.every, r.retry, r.pause, r.timeout = every, every, pause, time.Minute
	}
}

// SetNow sets the clock by which what is cached expires.
func (a *Authenticator) SetNow(now func() time.Time) { a.now = now }

// Cached is how many verified and refused tokens are kept.
func (a *Authenticator) Cached() (verified, refused int) { return a.verified.len(), a.refused.len() }

// Kept is how many of these keys a bounded map with room for most keeps, and whether it kept the
// first one, which is asked for after each.
func Kept(most int, keys []int) (kept int, first bool) {
	b := newBounded[int, int](most)
	for _, k := range keys {
		b.put(k, k)
		if v, ok := b.get(keys[0]); ok && v == keys[0] {
			first = true
		} else {
			first = false
		}
	}
	for i := range b.shards {
		all := make(map[int]bool)
		for k := range b.shards[i].young {
			all[k] = true
		}
		for k := range b.shards[i].old {
			all[k] = true
		}
		kept += len(all)
	}
	return kept, first
}

// What other packages must know in the same way.
const (
	MaxSubject   = maxSubject
	StaticPrefix = staticPrefix
)

// ValidSubject reports whether a JWT may have this subject.
func ValidSubject(s string) bool { return validSubject(s) }
