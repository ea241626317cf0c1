package store_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/pkg/store"
)

// All other tests of this package have the worker's role, so they show that it may do what a worker
// does. Here is that it may do nothing else.

// TestRightsOnTables: the worker may read and change the rows of all tables but those of the
// migrations, and has no other right on them. A new table needs no grant of its own.
func TestRightsOnTables(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	conn := connect(t, url)
	rows, err := conn.Query(t.Context(), `
		select c.relname, pg_get_userbyid(c.relowner),
		       array(select r
		             from unnest('{select,insert,update,delete,truncate,references,trigger}'::text[]) r
		             where has_table_privilege('outset_worker', c.oid, r)),
		       exists (select from aclexplode(c.relacl) where grantee = 0)
		from pg_class c
		where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')`)
	if err != nil {
		t.Fatal(err)
	}
	var (
		table, owner string
		rights       []string
		public       bool
		tables       int
	)
	if _, err := pgx.ForEachRow(rows, []any{&table, &owner, &rights, &public}, func() error {
		tables++
		want := "select,insert,update,delete"
		if table == "goose_db_version" {
			want = "select"
		}
		if got := strings.Join(rights, ","); got != want || owner != "outset_owner" || public {
			t.Errorf("%s belongs to %s, the worker may %s, everybody something: %v; want %s", table,
				owner, got, public, want)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if tables < 4 {
		t.Errorf("%d tables; does this test still find them?", tables)
	}
}

// TestWorkerRoleMayNothingElse: what would reach beyond rows, or be kept outside of the tables, is
// refused.
func TestWorkerRoleMayNothingElse(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	conn := connect(t, pgtest.As(t, pgtest.Worker, url))
	for _, statement := range []string{
		`create table mine (n int)`,
		`create temp table mine (n int)`,
		`create schema mine`,
		`create function mine() returns int language sql as 'select 1'`,
		`create extension pg_trgm`,
		`create role mine`,
		`create database mine`,
		`create index on settings (version)`,
		`create rule mine as on insert to settings do nothing`,
		`create policy mine on settings`,
		`create publication mine for table settings`,
		`create event trigger mine on ddl_command_start execute function mine()`,
		`alter table settings add mine int`,
		`alter table settings owner to outset_worker`,
		`alter table settings disable trigger all`,
		`drop table settings_log`,
		`truncate settings`,
		`copy settings to '/tmp/outset-stolen'`,
		`copy settings from '/etc/passwd'`,
		`copy settings to program 'true'`,
		`copy settings from program 'true'`,
		`select pg_read_file('/etc/passwd')`,
		`select pg_ls_dir('/')`,
		`select lo_import('/etc/passwd')`,
		`select lo_create(0)`,
		`select lo_creat(-1)`,
		`select lo_from_bytea(0, '')`,
		`select rolpassword from pg_authid`,
		`set role outset_owner`,
		`set role outset_migrator`,
		`set session authorization outset`,
		`set session_replication_role = replica`,
		`alter role outset_worker superuser`,
		`alter role outset_worker createdb`,
		`alter role outset_migrator password 'mine'`,
		`alter system set fsync = off`,
		`checkpoint`,
		`select pg_reload_conf()`,
		`select pg_switch_wal()`,
		`insert into goose_db_version (version_id, is_applied) values (99, true)`,
		`update goose_db_version set is_applied = false`,
		`delete from goose_db_version`,
		`do language plpgsql $$ begin create table mine (n int); end $$`,
	} {
		_, err := conn.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" && refused.Code != "0A000" {
			t.Errorf("%s: %v", statement, err)
		}
	}
	var attributes string
	if err := connect(t, url).QueryRow(t.Context(), `
		select concat_ws(' ', rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
		                 (select count(*) from pg_auth_members where member = pg_roles.oid))
		from pg_roles
		where rolname = 'outset_worker'`).Scan(&attributes); err != nil ||
		attributes != "f f f f f 0" {
		t.Errorf("the worker's role: %s, %v", attributes, err)
	}
}

// TestOwnerCantLogIn: nobody is the owner but who migrates.
func TestOwnerCantLogIn(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	if conn, err := pgx.Connect(t.Context(), pgtest.As(t, "outset_owner", url)); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the owner has logged in")
	}
	migrator := connect(t, pgtest.As(t, pgtest.Migrator, url))
	var user string
	if err := migrator.QueryRow(t.Context(), `select current_user`).Scan(&user); err != nil ||
		user != "outset_owner" {
		t.Errorf("the migrator is %s, %v", user, err)
	}
	if _, err := migrator.Exec(t.Context(), `create role mine`); err == nil {
		t.Error("the migrator makes roles")
	}
}

// TestRolesTwice: to run the file again changes nothing.
func TestRolesTwice(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, replace(t, "ann", "1", `{"n":1}`))
	pgtest.GiveRoles(t, url)
	check(t, s, "ann", 1, `{"n":1}`)
}

// TestWorkerAwaitsMigration: a worker whose role may not migrate says what to run, waits, and goes
// on when somebody has done it.
func TestWorkerAwaitsMigration(t *testing.T) {
	t.Parallel()
	url := pgtest.ForTest(t)
	pgtest.GiveRoles(t, url)
	worker := pgtest.As(t, pgtest.Worker, url)
	err := store.MigrateWhenReachable(t.Context(), worker, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a worker's role migrates: %v", err)
	}
	var log testlog.Buffer
	done := make(chan error, 1)
	go func() { done <- store.AwaitMigration(t.Context(), worker, log.Logger()) }()
	for !strings.Contains(log.String(), `run \"worker migrate\"`) {
		select {
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
	}
	if err := store.Migrate(t.Context(), pgtest.As(t, pgtest.Migrator, url)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	write(t, reopen(t, url), replace(t, "ann", "1", `{}`))
}
