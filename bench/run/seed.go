package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/bench/load"
	"github.com/outset-settings/outset/pkg/store"
)

// schemas are what each side keeps, and how it is filled: $1 users whose documents begin with $2
// and end with $3. Outset's have been written once, so each has a row in the log, too.
var schemas = map[string][]string{
	"direct": {
		`create table documents (user_id text collate "C" primary key, document json not null)`,
		`insert into documents select user_id, document::json from seeds`,
	},
	"hono": {
		`create table hono_settings (user_id text primary key, doc jsonb not null)`,
		`insert into hono_settings select user_id, document::jsonb from seeds`,
	},
	"outset": {
		`insert into settings (user_id, version, document, updated_at) select user_id, 1, document::json, now() from seeds`,
		`insert into settings_log (user_id, version, operation_id, fingerprint, operation, created, document, applied_at)
		 select user_id, 1, 'seed', '', 'replace', true, document, updated_at from settings`,
	},
}

// database returns the URL of a side's database with that many users, which is made if it isn't
// there.
func (l *lab) database(ctx context.Context, schema string, users int) (string, error) {
	name := fmt.Sprintf("bench_%s_%d", schema, users)
	if url, ok := l.seeded[name]; ok {
		return url, nil
	}
	l.log.Info("making a database", "name", name)
	l.drop(ctx, name) // of an earlier run in the same folder
	url, err := l.postgres.Database(ctx, name)
	if err != nil {
		return "", err
	}
	if err := seed(ctx, url, schema, users); err != nil {
		return "", fmt.Errorf("filling %s: %w", name, err)
	}
	l.seeded[name] = url
	return url, nil
}

func (l *lab) drop(ctx context.Context, name string) {
	if err := l.postgres.Drop(ctx, name); err != nil {
		l.log.Warn("dropping a database", "error", err)
	}
	delete(l.seeded, name)
}

func seed(ctx context.Context, url, schema string, users int) error {
	if schema == "outset" {
		if err := store.Migrate(ctx, url); err != nil {
			return err
		}
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	prefix, suffix := load.DocumentAround()
	seeds := fmt.Sprintf(`create temporary view seeds as
		select 'u' || lpad(n::text, 8, '0') as user_id, '%s' || lpad(n::text, 8, '0') || '%s' as document
		from generate_series(0, %d) as n`, prefix, suffix, users-1)
	statements := append([]string{seeds}, schemas[schema]...)
	for _, sql := range append(statements, `vacuum (analyze)`, `checkpoint`) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// execute runs a statement in the side's database.
func execute(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}
