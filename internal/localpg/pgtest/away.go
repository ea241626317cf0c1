//go:build unix

package pgtest

import (
	"net/url"
	"path"
	"testing"

	"github.com/jackc/pgx/v5"
)

// KeepOut keeps everybody out of the database and ends their connections, or lets them in again.
func KeepOut(t testing.TB, database string, out bool) {
	t.Helper()
	allow := "true"
	if out {
		allow = "false"
	}
	alter(t, database, "allow_connections "+allow, out)
}

// Exhaust ends all connections to the database, and from then on whoever is no superuser is told
// that there are too many; or there are enough again.
func Exhaust(t testing.TB, database string, exhausted bool) {
	t.Helper()
	limit := "-1"
	if exhausted {
		limit = "0"
	}
	alter(t, database, "connection limit "+limit, exhausted)
}

// alter changes the database from another one, and ends all connections to it if end says so.
func alter(t testing.TB, database, change string, end bool) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	name := path.Base(u.Path)
	u.Path = "/postgres"
	conn := Connect(t, u.String())
	_, err = conn.Exec(t.Context(), "alter database "+pgx.Identifier{name}.Sanitize()+" "+change)
	if err == nil && end {
		_, err = conn.Exec(t.Context(),
			`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, name)
	}
	if err != nil {
		t.Fatal(err)
	}
}
