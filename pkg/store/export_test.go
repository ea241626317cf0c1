package store

import (
	"context"
	"io/fs"
	"time"
)

// Patient is a timeout that only a failed test waits for.
const Patient = 5 * time.Minute

// Timeouts are those of a store that a test changes; zero: the default.
type Timeouts struct {
	Lock         time.Duration // a quarter of it for shortLock; the others become longer than it
	Computing    time.Duration
	ReplacePause time.Duration
	Commit       time.Duration
}

// OpenWith is Open with other timeouts.
func OpenWith(ctx context.Context, url string, t Timeouts) (*Store, error) {
	with := defaultTimeouts
	if t.Lock != 0 {
		with.lock, with.shortLock = t.Lock, t.Lock/4
		with.statement = max(with.statement, 2*t.Lock)
		with.commit = max(with.commit, 3*t.Lock)
	}
	if t.Commit != 0 {
		with.commit = t.Commit
	}
	if t.Computing != 0 {
		with.computing = t.Computing
	}
	if t.ReplacePause != 0 {
		with.replacePause = t.ReplacePause
	}
	return open(ctx, url, 4, with)
}

// Acquired is how many connections were taken from the pool: one for each transaction.
func (s *Store) Acquired() int64 { return s.pool.Stat().AcquireCount() }

// MigrateFiles is Migrate with migrations of the test's own.
func MigrateFiles(ctx context.Context, url string, files fs.FS, waiting func(error)) error {
	return migrateAt(ctx, url, files, waiting)
}

// ReplacePausedUntil is until when transact does all replacements, in nanoseconds since 1970.
func (s *Store) ReplacePausedUntil() int64 { return s.replacePausedUntil.Load() }
