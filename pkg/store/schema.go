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

// SchemaUser is the user whose document is the schema: an id that no user can have, and that sorts
// before theirs. So the schema has versions, a history, conditions and repetitions as documents
// have.
const SchemaUser = "\x1fschema"

// Schema is what documents must satisfy, at a version.
type Schema struct {
	Version  int64     // 0: there never was one
	Modified time.Time // when the version came to be; zero: never

	compiled *schema.Schema // nil: any document is valid
	err      error          // why this program can't read it
}

// Check returns nil if the document satisfies the schema, else an error that wraps
// settings.ErrViolation; or [ErrUnavailable], if a newer program has put a schema that this one
// can't read.
func (s *Schema) Check(document []byte) error {
	if s.err != nil {
		return s.err
	}
	return s.compiled.Check(document)
}

// Effective returns the document with the schema's defaults, see [schema.Schema.Effective].
func (s *Schema) Effective(document []byte, most int) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.compiled.Effective(document, most)
}

// anySchema has no limits: a stored schema was checked against the limits when it was put.
var anySchema = settings.Limits{Bytes: math.MaxInt32, Depth: math.MaxInt32, Keys: math.MaxInt32}

// same reports whether both are the same version of the same history: a database that was restored
// uses version numbers again.
func (s *Schema) same(other *Schema) bool {
	return s.Version == other.Version && s.Modified.Equal(other.Modified)
}

// schemaQuery returns the version of the schema, and the schema if it isn't the known one.
const schemaQuery = `
	select version, updated_at, case when (version, updated_at) <> ($2, $3) then document end
	from settings
	where user_id = $1`

// isSchema is true as long as the schema is the known one. Before the first schema there is no row,
// or a placeholder.
const isSchema = `coalesce((
	select schema.version = $2 and (schema.version = 0 or schema.updated_at = $3)
	from settings schema
	where schema.user_id = $1), $2 = 0)`

// queueSchema reads the schema. Every transaction that writes documents does, so that a schema
// holds as soon as its put is acknowledged, whichever workers there are. Usually the answer is that
// the known one is current.
func (s *Store) queueSchema(b *pgx.Batch, into **Schema) {
	known := s.schema.Load()
	q := b.Queue(schemaQuery, SchemaUser, known.Version, known.Modified)
	q.QueryRow(func(row pgx.Row) error {
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

// learn returns the schema of the row, and remembers it even if it is older than the known one, as
// in a database that was restored. One goroutine compiles it while the others wait. They hold locks
// meanwhile, but they would hold them just as long if they compiled it themselves.
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
			next.err = fmt.Errorf("%w: this program can't read version %d of the schema: %w",
				ErrUnavailable, next.Version, err)
		}
	}
	s.schema.Store(next)
	return next
}
