package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// firstMigration is edited in place until the first release. So the tables carry its checksum, as a
// comment that a dump keeps, and are refused by a program whose first migration is another.
const firstMigration = "00001_settings.sql"

var errOtherTables = errors.New("another state of this program made the tables, and before the " +
	"first release they can't be migrated; make the database anew")

var sqlComment = regexp.MustCompile(`--.*`)

// checksum is the same whatever the comments and the spaces are.
func checksum(migration []byte) string {
	statements := sqlComment.ReplaceAllString(string(migration), "")
	sum := sha256.Sum256([]byte(strings.Join(strings.Fields(statements), " ")))
	return fmt.Sprintf("outset-migration-1:%x", sum[:8])
}

// up applies the migrations that are missing, unless the tables are not those of the first one.
// Tables without a checksum pass, as those of a dump without comments.
func up(ctx context.Context, provider *goose.Provider, guard *pgx.Conn, sum string) error {
	var made *string
	err := guard.QueryRow(ctx, `select obj_description(to_regclass('settings'), 'pg_class')`).
		Scan(&made)
	if err != nil {
		return err
	}
	if made != nil && *made != sum {
		return errOtherTables
	}
	applied, err := provider.Up(ctx)
	for _, m := range applied {
		if err == nil && m.Source.Version == 1 {
			_, err = guard.Exec(ctx, `comment on table settings is '`+sum+`'`)
		}
	}
	return err
}
