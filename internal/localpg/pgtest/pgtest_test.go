//go:build unix

package pgtest_test

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestEachTestHasADatabase(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 3 {
		url := pgtest.ForTest(t)
		if seen[url] {
			t.Errorf("%s twice", url)
		}
		seen[url] = true
		conn := pgtest.Connect(t, url)
		// Left open on purpose until after the database is dropped: that must not hang.
		if _, err := conn.Exec(t.Context(), "create table only_here ()"); err != nil {
			t.Error(err)
		}
	}
}

func TestNameThatIsNoIdentifier(t *testing.T) {
	t.Parallel()
	t.Run(`it's "odd" / 日本 and `+strings.Repeat("long ", 30), func(t *testing.T) {
		t.Parallel()
		var name string
		if err := pgtest.Connect(t, pgtest.ForTest(t)).QueryRow(t.Context(),
			"select current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, "testnamethatisnoidentifier_it_s__odd") {
			t.Error(name)
		}
	})
}

// TestOneTestAlone is not parallel: goleak would see the other tests.
func TestOneTestAlone(t *testing.T) {
	defer goleak.VerifyNone(t, pgtest.IgnoreServer())
	_ = pgtest.ForTest(t)
}

const fail = "PGTEST_TEST_FAIL"

// TestFailing is run by TestNothingIsLeft.
func TestFailing(t *testing.T) {
	how := os.Getenv(fail)
	if how == "" {
		t.Skip("run by TestNothingIsLeft")
	}
	t.Log("URL " + pgtest.ForTest(t))
	if how == "leak" {
		go func() { select {} }()
		return
	}
	t.Fatal("as asked")
}

func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]string{"fail": "as asked", "leak": "goroutines left"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v",
				"-test.run=^TestFailing$")
			cmd.Env = append(os.Environ(), fail+"="+how)
			out, err := cmd.CombinedOutput()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 ||
				!strings.Contains(string(out), want) {
				t.Errorf("%v\n%s", err, out)
			}
			_, after, ok := strings.Cut(string(out), "URL ")
			line, _, _ := strings.Cut(after, "\n")
			u, err := url.Parse(line)
			if !ok || err != nil {
				t.Fatalf("no URL: %v\n%s", err, out)
			}
			if _, err := os.Stat(u.Query().Get("host")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", u.Query().Get("host"), err)
			}
			if conn, err := pgx.Connect(t.Context(), line); err == nil {
				_ = conn.Close(t.Context())
				t.Error("the server still answers")
			}
		})
	}
}
