package access

import (
	"time"

	"golang.org/x/time/rate"
)

// Pace gives each principal so much of something a second, of which a second's worth may come at
// once, and has what is beyond wait. It refuses nothing.
type Pace struct {
	perSecond int
	longest   time.Duration
	buckets   *bounded[string, *rate.Limiter] // by principal
}

// NewPace returns a pace of so much a second, at which nothing waits longer than longest.
func NewPace(perSecond int, longest time.Duration) *Pace {
	return &Pace{perSecond, longest, newBounded[string, *rate.Limiter](maxLimited)}
}

// Delay takes n for a principal, and returns how long they have to wait for that. Who has to wait
// for longest takes nothing, so that no debt grows.
func (p *Pace) Delay(who string, n int, now time.Time) time.Duration {
	bucket := p.buckets.getOrPut(who, func() *rate.Limiter {
		return rate.NewLimiter(rate.Limit(p.perSecond), p.perSecond)
	})
	reserved := bucket.ReserveN(now, min(max(n, 0), p.perSecond))
	delay := reserved.DelayFrom(now)
	if delay > p.longest {
		reserved.CancelAt(now)
		return p.longest
	}
	return delay
}
