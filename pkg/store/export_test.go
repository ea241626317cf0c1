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
	Connect      time.Duration
}

// OpenWith is Open with other timeouts.
func OpenWith(ctx context.Context, url string, t Timeouts) (*Store, error) {
	with := defaultTimeouts
	if t.Lock != 0 {
		with.lock, with.shortLock = t.Lock, t.Lock/4
		with.statement = max(with.statement, 2*t.Lock)
		with.commit = max(with.commit, 3*t.Lock)
		with.idle = max(with.idle, t.Lock)
	}
	if t.Commit != 0 {
		with.commit = t.Commit
	}
	if t.Connect != 0 {
		with.connect = t.Connect
	}
	if t.Computing != 0 {
		with.computing = t.Computing
	}
	if t.ReplacePause != 0 {
		with.replacePause = t.ReplacePause
	}
	return open(ctx, url, 4, with)
}

// VersionOverhead is what a version counts beside its document.
const VersionOverhead = versionOverhead

// What is shared; see shared.go.
const (
	SharedBytes    = sharedBytes
	SharedVersions = sharedVersions
)

// Step is how much a user writes between two looks for documents to drop.
func (s *Store) Step() int64 { return s.step() }

// Acquired is how many connections were taken from the pool: one for each transaction.
func (s *Store) Acquired() int64 { return s.pool.Stat().AcquireCount() }

// MigrateFiles is Migrate with migrations of the test's own.
func MigrateFiles(ctx context.Context, url string, files fs.FS, waiting func(error)) error {
	return migrateAt(ctx, url, files, waiting)
}

// ReplacePausedUntil is until when transact does all replacements.
func (s *Store) ReplacePausedUntil() time.Time { return *s.replacePausedUntil.Load() }

// Places is how many connections the pool has, those included that are being made or closed.
func (s *Store) Places() int32 { return s.pool.Stat().TotalConns() }

// Primary is the host that was the primary when last asked.
func (s *Store) Primary() string {
	s.primary.mu.Lock()
	defer s.primary.mu.Unlock()
	return s.primary.last.Host
}
