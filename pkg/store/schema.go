package store

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

// SchemaUser is whose document the schema is: an id that no user can have, and below all of theirs.
// So the schema has versions, a history, conditions and repetitions as documents have.
const SchemaUser = "\x1fschema"

// Schema is what documents are held to, at a version. Its methods are those of [schema.Schema].
type Schema struct {
	Version  int64     // 0: there never was one
	Modified time.Time // when the version came to be; zero: never

	compiled *schema.Schema // nil: documents may be what they are
	err      error          // why this program can't tell
}

// Check returns nil if the document is as the schema wants it, else an error that wraps
// settings.ErrViolation; or [ErrUnavailable], where a newer program has put a schema that this one
// can't read.
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

// same tells whether both are the same version of the same history: a database that was restored
// gives versions again.
func (s *Schema) same(other *Schema) bool {
	return s.Version == other.Version && s.Modified.Equal(other.Modified)
}

// schemaQuery tells which version of the schema there is, and that itself if it is not the one that
// is known.
const schemaQuery = `
	select version, updated_at, case when (version, updated_at) <> ($2, $3) then document end
	from settings
	where user_id = $1`

// isSchema holds as long as the schema is the one that is known. Before the first one there is no
// row, or one that was made for it.
const isSchema = `coalesce((
	select schema.version = $10 and (schema.version = 0 or schema.updated_at = $11) from settings schema where schema.user_id = $9), $10 = 0)`

// queueSchema finds out what the schema is at that moment. Every transaction that writes documents
// asks, so that whoever was answered that a schema was put can rely on it, whichever workers there
// are; usually the answer is that it is the one that is known.
func (s *Store) queueSchema(b *pgx.Batch, into **Schema) {
	known := s.schema.Load()
	b.Queue(schemaQuery, SchemaUser, known.Version,
		known.Modified).QueryRow(func(row pgx.Row) error {
		var (
			next  Schema
			bytes []byte
		)
		err := row.Scan(&next.Version, &next.Modified, &bytes)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if next.Version == 0 {
			next.Modified = time.Time{}
		}
		*into = s.learn(&next, bytes, known)
		return nil
	})
}

// learn returns the schema that is in the row, and remembers it, whether it is later than the one
// that was known or, of a database that was restored, earlier. One goroutine compiles it and the
// others wait: they hold locks, but so they would meanwhile.
func (s *Store) learn(next *Schema, bytes []byte, known *Schema) *Schema {
	if known.same(next) {
		return known
	}
	s.learning.Lock()
	defer s.learning.Unlock()
	if latest := s.schema.Load(); latest.same(next) {
		return latest
	}
	next.Modified = next.Modified.UTC()
	if bytes != nil {
		var err error
		if next.compiled, err = schema.Compile(bytes, anySchema); err != nil {
			next.err = fmt.Errorf("%w: the schema of version %d can't be read by this program: %w",
				ErrUnavailable, next.Version, err)
		}
	}
	s.schema.Store(next)
	return next
}
