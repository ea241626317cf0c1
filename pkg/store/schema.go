package store

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/settings"
)

// SchemaUser is whose document the schema is: an id that no user can have, and below all of theirs. So the schema has
// versions, a history, conditions and repetitions as documents have.
const SchemaUser = "\x1fschema"

// Schema is what documents are held to, at a version. Its methods are those of [settings.Schema].
type Schema struct {
	Version  int64     // 0: there never was one
	Modified time.Time // when the version came to be; zero: never

	compiled *settings.Schema // nil: documents may be what they are
	err      error            // why this program can't tell
}

// Check returns nil if the document is as the schema wants it, else an error that wraps settings.ErrViolation; or
// [ErrUnavailable], where a newer program has put a schema that this one can't read.
func (s *Schema) Check(document []byte) error {
	if s.err != nil {
		return s.err
	}
	return s.compiled.Check(document)
}

// Effective lays the document over the schema's defaults.
func (s *Schema) Effective(document []byte, most int) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.compiled.Effective(document, most)
}

// anySchema are the limits of a schema that is there already: those of the day when it was put.
var anySchema = settings.Limits{Bytes: math.MaxInt32, Depth: math.MaxInt32, Keys: math.MaxInt32}

// schemaQuery tells which version of the schema there is, and that itself if it is not the one that is known.
const schemaQuery = `
	select version, updated_at, case when version <> $2 and deleted_version is distinct from version then document end
	from settings
	where user_id = $1`

// queueSchema finds out what the schema is at that moment. Every transaction that writes documents asks, so that whoever was
// answered that a schema was put can rely on it, whichever workers there are; usually the answer is that it is
// the one that is known.
func (s *Store) queueSchema(b *pgx.Batch, into **Schema) {
	known := s.schema.Load()
	b.Queue(schemaQuery, SchemaUser, known.Version).QueryRow(func(row pgx.Row) error {
		var (
			next  Schema
			bytes []byte
		)
		err := row.Scan(&next.Version, &next.Modified, &bytes)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if next.Version == known.Version {
			*into = known
		} else {
			*into = s.learn(&next, bytes)
		}
		return nil
	})
}

// learn makes the schema of what is in its row, and remembers it unless a later one is known by now.
func (s *Store) learn(next *Schema, bytes []byte) *Schema {
	next.Modified = next.Modified.UTC()
	if bytes != nil {
		var err error
		if next.compiled, err = anySchema.Schema(bytes); err != nil {
			next.err = fmt.Errorf("%w: the schema of version %d can't be read by this program: %w", ErrUnavailable, next.Version, err)
		}
	}
	for {
		known := s.schema.Load()
		if known.Version > next.Version || s.schema.CompareAndSwap(known, next) {
			return next
		}
	}
}
