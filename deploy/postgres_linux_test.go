package deploy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/secrets"
)

// postgres is a server as compose.yaml starts one: with pg_hba.conf, TLS and the roles.
type postgres struct {
	address string // listens at the usual port
	folder  string // of the secrets
}

// startPostgres starts it on a loopback address of its own, since localpg's port is fixed.
func startPostgres(t *testing.T) postgres {
	t.Helper()
	dir := pgtest.TempDir(t)
	p := postgres{
		address: fmt.Sprintf("127.%d.%d.%d", 2+rand.IntN(250), rand.IntN(256), 1+rand.IntN(254)),
		folder:  filepath.Join(t.TempDir(), "secrets"),
	}
	if _, err := secrets.Make(p.folder); err != nil {
		t.Fatal(err)
	}
	start := func(settings map[string]string) *localpg.Server {
		s, err := localpg.Start(t.Context(), localpg.Options{Dir: dir, Throwaway: true, Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := start(nil).Stop(t.Context()); err != nil { // makes the data, which say who owns them
		t.Fatal(err)
	}
	hba, err := os.ReadFile("pg_hba.conf")
	if err != nil {
		t.Fatal(err)
	}
	s := start(map[string]string{
		"listen_addresses": p.address,
		"ssl":              "on",
		"ssl_cert_file":    ownedByPostgres(t, dir, "server.pem", p.secret(t, "postgres-server.pem")),
		"ssl_key_file":     ownedByPostgres(t, dir, "server-key.pem", p.secret(t, "postgres-server-key.pem")),
		// The superuser has another name here.
		"hba_file": ownedByPostgres(t, dir, "pg_hba.conf", string(hba)+"\nlocal all outset trust\n"),
	})
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	pgtest.GiveRoles(t, s.URL())
	conn := pgtest.Connect(t, s.URL())
	for _, user := range []string{"migrator", "worker"} {
		if _, err := conn.Exec(t.Context(), fmt.Sprintf("alter role outset_%s password '%s'", user,
			p.secret(t, "postgres-"+user+"-password"))); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p postgres) secret(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(p.folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// ownedByPostgres returns a file that only the user who runs the server can read.
func ownedByPostgres(t *testing.T, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(file, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// connect connects over TCP, to the host that the certificate is for.
func (p postgres) connect(t *testing.T, user, password, host, database, options string) (*pgx.Conn, error) {
	t.Helper()
	config, err := pgx.ParseConfig(fmt.Sprintf("postgres://outset_%s:%s@%s:5432/%s?%s", user, password,
		host, database, options))
	if err != nil {
		t.Fatal(err)
	}
	config.LookupFunc = func(context.Context, string) ([]string, error) {
		return []string{p.address}, nil
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
	return conn, err
}

// TestPostgresAsDeployed: who has the password of a role gets in, over TLS and to the one database,
// and notices a server that only pretends to be ours.
func TestPostgresAsDeployed(t *testing.T) {
	p := startPostgres(t)
	foreign := filepath.Join(t.TempDir(), "secrets")
	if _, err := secrets.Make(foreign); err != nil {
		t.Fatal(err)
	}
	full := "sslmode=verify-full&sslrootcert=" + filepath.Join(p.folder, "ca.pem")
	worker := p.secret(t, "postgres-worker-password")
	for _, user := range []string{"worker", "migrator"} {
		conn, err := p.connect(t, user, p.secret(t, "postgres-"+user+"-password"), "postgres", "outset", full)
		if err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		if _, encrypted := conn.PgConn().Conn().(*tls.Conn); !encrypted {
			t.Errorf("%s: not over TLS", user)
		}
	}
	const refused = "28" // the class of SQLSTATE: invalid authorization
	for name, c := range map[string]struct {
		user, password, host, database, options string
		code                                    string // "": the client refuses
	}{
		"a wrong password":   {"worker", "guessed", "postgres", "outset", full, refused},
		"another's password": {"migrator", worker, "postgres", "outset", full, refused},
		"the owner":          {"owner", worker, "postgres", "outset", full, refused},
		"another database":   {"worker", worker, "postgres", "postgres", full, refused},
		"no TLS":             {"worker", worker, "postgres", "outset", "sslmode=disable", refused},
		"another host":       {"worker", worker, "elsewhere", "outset", full, ""},
		"another authority": {
			"worker", worker, "postgres", "outset",
			"sslmode=verify-full&sslrootcert=" + filepath.Join(foreign, "ca.pem"), "",
		},
	} {
		_, err := p.connect(t, c.user, c.password, c.host, c.database, c.options)
		var answer *pgconn.PgError
		switch {
		case err == nil:
			t.Errorf("%s: connected", name)
		case c.code == "" && !strings.Contains(err.Error(), "x509"):
			t.Errorf("%s: %v", name, err)
		case c.code != "" && (!errors.As(err, &answer) || !strings.HasPrefix(answer.Code, c.code)):
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), worker) {
			t.Errorf("%s: the password is in the error: %v", name, err)
		}
	}
}
