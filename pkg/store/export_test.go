package store

import (
	"context"
	"io/fs"
)

// MigrateFiles is Migrate with migrations of the test's own.
func MigrateFiles(ctx context.Context, url string, files fs.FS, waiting func(error)) error {
	return migrateAt(ctx, url, files, waiting)
}

// ReplacePausedUntil is until when replacements go the long way, in nanoseconds since 1970.
func (s *Store) ReplacePausedUntil() int64 { return s.replacePausedUntil.Load() }
