//go:build unix

package pgtest

import (
	"net/url"
	"sync"
	"testing"

	"github.com/outset-settings/outset/deploy"
)

// The roles of deploy/postgres-roles.sql that can log in.
const (
	Migrator = "outset_migrator"
	Worker   = "outset_worker"
)

// rolesLock is held while the roles are made, which all databases of a server share.
var rolesLock sync.Mutex

// GiveRoles gives a new database the roles of deploy/postgres-roles.sql.
func GiveRoles(t testing.TB, database string) {
	t.Helper()
	rolesLock.Lock()
	defer rolesLock.Unlock()
	conn := Connect(t, database)
	if _, err := conn.PgConn().Exec(t.Context(), deploy.PostgresRoles).ReadAll(); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context()) // so that the database can be copied
}

// As returns the connection string of the same database for another role.
func As(t testing.TB, role, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}
