package access

import (
	"math"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// maxLimited is how many users and tokens have a limit of their own at a time, each about 200
// bytes. Those who have not been seen for longest begin afresh.
const maxLimited = 100_000

// Limiter limits the requests of each user and each service token, by a token bucket that holds
// what two seconds bring. It is this process's: several of them allow several times as much.
type Limiter struct {
	user, service int                             // requests a second; 0: no limit
	buckets       *bounded[string, *rate.Limiter] // by principal
}

// burst is how many seconds' worth of requests may come at once.
const burst = 2

// NewLimiter returns a limiter with so many requests a second of each user and each service token;
// 0: no limit.
func NewLimiter(user, service int) *Limiter {
	return &Limiter{user, service, newBounded[string, *rate.Limiter](maxLimited)}
}

// Quota is what an identity may send.
type Quota struct {
	Policy string // its name
	Limit  int    // requests in Window
	Window int    // seconds
	Left   int    // requests that may be sent at once
	Reset  int    // seconds until there is at least one
}

// Take counts a request. It returns false if the request is one too many. ok is true without a
// quota if there is no limit.
func (l *Limiter) Take(id *Identity, now time.Time) (q Quota, ok bool) {
	perSecond := 0
	switch id.Kind {
	case User:
		perSecond, q.Policy = l.user, "user"
	case Service:
		perSecond, q.Policy = l.service, "token"
	}
	if perSecond == 0 {
		return Quota{}, true
	}
	bucket := l.buckets.getOrPut(id.Principal(netip.Addr{}), func() *rate.Limiter {
		return rate.NewLimiter(rate.Limit(perSecond), burst*perSecond)
	})
	ok = bucket.AllowN(now, 1)
	left := bucket.TokensAt(now)
	q.Limit, q.Window, q.Left = burst*perSecond, burst, max(int(left), 0)
	if left < 1 {
		q.Reset = int(math.Ceil((1 - left) / float64(perSecond)))
	}
	return q, ok
}
