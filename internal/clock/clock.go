// Package clock tells the time by another machine's clock. The times of operations are the
// database's, so that no machine's wrong clock makes what is in time late, or what is late in time.
package clock

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// slowest is how long asking may take. An answer that took longer tells too little.
const slowest = 500 * time.Millisecond

// grain is how exactly a clock need be known. Those that are synchronized agree to milliseconds, and
// then the zero difference stays.
const grain = 5 * time.Millisecond

// wrong is from which difference on somebody should be told.
const wrong = time.Second

// Clock is another machine's clock, as far as it is known. The zero Clock is our own. Its methods
// are safe for concurrent use.
type Clock struct {
	ahead atomic.Int64 // nanoseconds, by which the other is ahead of ours
	known atomic.Bool  // that was learnt
	wrong atomic.Bool  // one of the two, by the last [Clock.Warn]
}

// Now returns the time by the other clock.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Ahead()) }

// Ours returns when it is this time on our own clock.
func (c *Clock) Ours(theirs time.Time) time.Time { return theirs.Add(-c.Ahead()) }

// Ahead returns by how much the other clock is ahead of ours, as far as is known.
func (c *Clock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// Known tells whether the other clock's time was ever learnt.
func (c *Clock) Known() bool { return c.known.Load() }

// Learn takes over the time that the other clock has told, between these two moments of ours. When
// exactly in between isn't known, so a difference that agrees with what was known before changes
// nothing.
func (c *Clock) Learn(theirs, asked, answered time.Time) {
	took := answered.Sub(asked)
	if took < 0 || took > slowest {
		return
	}
	ahead := theirs.Sub(asked.Add(took / 2))
	if (ahead - c.Ahead()).Abs() > took/2+grain {
		c.ahead.Store(int64(ahead))
	}
	c.known.Store(true)
}

// Warn logs where the clocks have come to differ by a second or more: one of them is wrong. It is
// for the database's clock.
func (c *Clock) Warn(log *slog.Logger) {
	ahead := c.Ahead()
	if now := ahead.Abs() >= wrong; now != c.wrong.Swap(now) && now {
		log.Warn("the database's clock and this machine's differ", "database_ahead", ahead)
	}
}
