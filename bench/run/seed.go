package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/bench/load"
)

// schemas are the tables of the peers, and how they are filled from the view seeds.
var schemas = map[string][]string{
	"direct": {
		`create table documents (user_id text collate "C" primary key, document json not null)`,
		`insert into documents select user_id, document from seeds`,
	},
	"hono": {
		`create table hono_settings (user_id text primary key, doc jsonb not null)`,
		`insert into hono_settings select user_id, document::jsonb from seeds`,
	},
}

// database returns the URL of a side's database, which it creates empty if there is none yet. Sides
// of one build share a database.
func (l *lab) database(ctx context.Context, what spec) (url string, created bool, err error) {
	key := fmt.Sprint(what.kind, what.folder, " ", l.Users)
	if url, ok := l.databases[key]; ok {
		return url, false, nil
	}
	name := databaseName(len(l.databases))
	if err := l.postgres.Drop(ctx, name); err != nil { // of an earlier run in the same folder
		return "", false, err
	}
	url, err = l.postgres.Database(ctx, name)
	l.databases[key] = url
	return url, true, err
}

func databaseName(n int) string { return fmt.Sprintf("bench_%d", n) }

// dropDatabases drops all databases. No side may be running.
func (l *lab) dropDatabases(ctx context.Context) {
	for i := range len(l.databases) {
		if err := l.postgres.Drop(ctx, databaseName(i)); err != nil {
			l.log.Warn("dropping a database", "error", err)
		}
	}
	clear(l.databases)
}

// seedOutset fills a database of Outset while a side runs on it. The first user is saved over HTTP,
// so that the rows are what this build writes. They are repeated for the other users, with another
// id and document.
func (l *lab) seedOutset(ctx context.Context, s *side) error {
	w := load.Workload{Method: http.MethodPut, Users: l.Users}
	if _, err := ask(ctx, s, w, 0); err != nil {
		return err
	}
	var fill []string
	for _, table := range []string{"settings", "settings_log"} {
		fill = append(fill, fmt.Sprintf(`do $$ begin execute (
			select format('insert into %[1]s select %%s from %[1]s as t, seeds as s
				where t.user_id = %%L and s.user_id <> t.user_id', string_agg(
				case when column_name in ('user_id', 'document') then 's.' else 't.' end || column_name,
				', ' order by ordinal_position), '%[2]s')
			from information_schema.columns where table_name = '%[1]s'); end $$`, table, load.User(0)))
	}
	return l.seed(ctx, s.database, fill)
}

// seed runs statements that fill a database from the view seeds.
func (l *lab) seed(ctx context.Context, url string, fill []string) error {
	l.log.Info("filling a database", "users", l.Users)
	prefix, suffix := load.DocumentAround()
	view := fmt.Sprintf(`create view seeds as select 'u' || lpad(n::text, 8, '0') as user_id,
		('%s' || lpad(n::text, 8, '0') || '%s')::json as document
		from generate_series(0, %d) as n`, prefix, suffix, l.Users-1)
	statements := append([]string{view}, fill...)
	for _, sql := range append(statements, `drop view seeds`, `vacuum (analyze)`, `checkpoint`) {
		if err := execute(ctx, url, sql); err != nil {
			return fmt.Errorf("filling a database: %w", err)
		}
	}
	return nil
}

// execute runs one statement in a database.
func execute(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}
