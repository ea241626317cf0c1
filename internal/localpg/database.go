//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// URL is the connection string of the database "outset".
func (s *Server) URL() string { return s.url(role) }

func (s *Server) url(database string) string {
	// Everything is spelled out, so that no PG* variable of the environment changes it.
	query := url.Values{"host": {s.socket.path}, "port": {port}, "sslmode": {"disable"}}
	// pgx and libpq, unlike browsers, take + in a query for itself.
	encoded := strings.ReplaceAll(query.Encode(), "+", "%20")
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + database, RawQuery: encoded}
	return u.String()
}

// Database creates a further, empty database and returns its connection string. A database that
// exists is an error (SQLSTATE 42P04). Safe for concurrent use.
func (s *Server) Database(ctx context.Context, name string) (string, error) {
	// template0 has no sessions, ever, so that concurrent creations do not refuse one another.
	return s.Copy(ctx, name, "template0")
}

// Copy creates a copy of a database in which nobody has a session, and returns its connection
// string. A name that exists is an error (SQLSTATE 42P04). Safe for concurrent use.
func (s *Server) Copy(ctx context.Context, name, template string) (string, error) {
	sql := "create database " + pgx.Identifier{name}.Sanitize() +
		" template " + pgx.Identifier{template}.Sanitize() + " strategy " + s.strategy
	if err := s.admin(ctx, sql); err != nil {
		return "", fmt.Errorf("create database %q: %w", name, err)
	}
	return s.url(name), nil
}

// Drop removes a database, ending the sessions that use it. A missing one is no error.
func (s *Server) Drop(ctx context.Context, name string) error {
	sql := "drop database if exists " + pgx.Identifier{name}.Sanitize() + " with (force)"
	if err := s.admin(ctx, sql); err != nil {
		return fmt.Errorf("drop database %q: %w", name, err)
	}
	return nil
}

// admin runs one statement from outside of all the databases that callers use. A connection on a
// local socket costs a few milliseconds, so none is kept open between the calls.
func (s *Server) admin(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

// ensureDatabase asks instead of remembering: a first start may have been killed just before it.
func (s *Server) ensureDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL())
	if err == nil {
		return conn.Close(ctx)
	}
	const invalidCatalogName = "3D000"
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == invalidCatalogName {
		_, err = s.Database(ctx, role)
	}
	return err
}
