package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// addressError returns the error for a database's address that pgx refuses. pgx's own shows the
// address without what it takes for the password. But where an address is not valid, the password
// may be anywhere, as in postgres://user:pa/ss@host, so one that may have a password isn't shown.
func addressError(address string, err error) error {
	if strings.Contains(address, "@") || strings.Contains(strings.ToLower(address), "password") {
		return errors.New("DATABASE_URL: this is not a valid address of a Postgres database " +
			"(it isn't shown, since it may have a password, whose special characters must be " +
			"percent-encoded)")
	}
	var e *pgconn.ParseConfigError
	if errors.As(err, &e) && errors.Unwrap(e) != nil {
		err = errors.Unwrap(e)
	}
	return fmt.Errorf("DATABASE_URL: %w", err)
}
