package secrets_test

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/outset-settings/outset/internal/secrets"
)

// files returns what is in a folder, by the files' names.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(content)
	}
	return all
}

func makeIn(t *testing.T, folder string) []string {
	t.Helper()
	made, err := secrets.Make(folder)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(made)
	return made
}

// TestNothingIsOverwritten: what is there stays, and what is missing is made so that it fits.
func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "deploy", "secrets")
	made := makeIn(t, folder)
	first := files(t, folder)
	if got := slices.Sorted(maps.Keys(first)); !slices.Equal(got, made) {
		t.Errorf("made %q, and there are %q", made, got)
	}
	if made := makeIn(t, folder); len(made) > 0 || !maps.Equal(first, files(t, folder)) {
		t.Errorf("made again: %q", made)
	}
	for removed, want := range map[string][]string{
		"postgres-worker-password": {"postgres-worker-password", "postgres-worker.pgpass"},
		"nats-api.pem":             {"nats-api-key.pem", "nats-api.pem"},
		"nats-worker.nk":           {"nats-worker.nk", "nats.env"},
		"nats.env":                 {"nats.env"},
	} {
		if err := os.Remove(filepath.Join(folder, removed)); err != nil {
			t.Fatal(err)
		}
		if made := makeIn(t, folder); !slices.Equal(made, want) {
			t.Errorf("without %s made %q, want %q", removed, made, want)
		}
	}
	// What an authority has signed is of no use without it.
	if err := os.Remove(filepath.Join(folder, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	if made := makeIn(t, folder); len(made) != len(slices.DeleteFunc(slices.Collect(maps.Keys(first)),
		func(name string) bool { return !strings.HasSuffix(name, ".pem") })) {
		t.Errorf("without the authority made %q", made)
	}
}

// TestUselessCertificatesAreMadeAnew: those of another authority, which an interrupted run leaves
// behind, and a certificate with another key.
func TestUselessCertificatesAreMadeAnew(t *testing.T) {
	t.Parallel()
	folder, other := filepath.Join(t.TempDir(), "secrets"), filepath.Join(t.TempDir(), "secrets")
	makeIn(t, folder)
	makeIn(t, other)
	for name, content := range files(t, other) {
		if name == "nats-api.pem" || name == "nats-api-key.pem" || name == "nats-worker.pem" {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := []string{"nats-api-key.pem", "nats-api.pem", "nats-worker-key.pem", "nats-worker.pem"}
	if made := makeIn(t, folder); !slices.Equal(made, want) {
		t.Errorf("made %q, want %q", made, want)
	}
	if made := makeIn(t, folder); len(made) > 0 {
		t.Errorf("made once more %q", made)
	}
}

// TestKeyOfTheAuthorityElsewhere: without it nothing is signed, and nothing is lost.
func TestKeyOfTheAuthorityElsewhere(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "secrets")
	makeIn(t, folder)
	if err := os.Remove(filepath.Join(folder, "ca-key.pem")); err != nil {
		t.Fatal(err)
	}
	before := files(t, folder)
	if made := makeIn(t, folder); len(made) > 0 {
		t.Errorf("made %q", made)
	}
	if err := os.Remove(filepath.Join(folder, "nats-api.pem")); err != nil {
		t.Fatal(err)
	}
	delete(before, "nats-api.pem")
	if _, err := secrets.Make(folder); err == nil || !strings.Contains(err.Error(), "ca-key.pem") ||
		!maps.Equal(before, files(t, folder)) {
		t.Errorf("error %v", err)
	}
}

// TestSecretsAreSecret: only the owner gets into the folder, no container needs the authority's
// key, and all secrets are different ones.
func TestSecretsAreSecret(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "secrets")
	makeIn(t, folder)
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(filepath.Join(folder, "ca-key.pem")); err != nil ||
		info.Mode().Perm() != 0o600 {
		t.Errorf("the authority's key: %v, %v", info.Mode(), err)
	}
	other := filepath.Join(t.TempDir(), "secrets")
	makeIn(t, other)
	seen := make(map[string]string)
	for _, all := range []map[string]string{files(t, folder), files(t, other)} {
		for name, content := range all {
			if before, ok := seen[content]; ok || len(content) < 40 { // 256 bits are 43
				t.Errorf("%s is short, or the same as %s: %q", name, before, content)
			}
			seen[content] = name
		}
	}
}

// TestCertificates: each is for the other side of its connection only, and for its own host.
func TestCertificates(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "secrets")
	makeIn(t, folder)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(files(t, folder)["ca.pem"])) {
		t.Fatal("no authority")
	}
	for name, c := range map[string]struct {
		host  string
		usage x509.ExtKeyUsage
	}{
		"nats-server":     {"nats", x509.ExtKeyUsageServerAuth},
		"postgres-server": {"postgres", x509.ExtKeyUsageServerAuth},
		"nats-api":        {"", x509.ExtKeyUsageClientAuth},
		"nats-worker":     {"", x509.ExtKeyUsageClientAuth},
		"nats-operator":   {"", x509.ExtKeyUsageClientAuth},
	} {
		at := filepath.Join(folder, name)
		pair, err := tls.LoadX509KeyPair(at+".pem", at+"-key.pem")
		if err != nil {
			t.Fatal(err)
		}
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			for _, years := range []int{0, 4, 6} {
				_, err := pair.Leaf.Verify(x509.VerifyOptions{
					Roots: pool, DNSName: c.host, KeyUsages: []x509.ExtKeyUsage{usage},
					CurrentTime: time.Now().AddDate(years, 0, 0),
				})
				if want := usage == c.usage && years < 5; (err == nil) != want {
					t.Errorf("%s for usage %v in %d years: %v", name, usage, years, err)
				}
			}
		}
		if err := pair.Leaf.VerifyHostname("elsewhere"); err == nil {
			t.Errorf("%s is elsewhere", name)
		}
	}
}

// TestPublicKeys: nats.env has the public halves of the seeds, and nothing secret.
func TestPublicKeys(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "secrets")
	makeIn(t, folder)
	all := files(t, folder)
	for variable, file := range map[string]string{
		"API_PUBLIC_KEY": "nats-api.nk", "WORKER_PUBLIC_KEY": "nats-worker.nk",
		"OPERATOR_PUBLIC_KEY": "nats-operator.nk",
	} {
		pair, err := nkeys.FromSeed([]byte(all[file]))
		if err != nil {
			t.Fatal(err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(all["nats.env"], variable+"="+public+"\n") {
			t.Errorf("%s: %s is not in %s", variable, public, all["nats.env"])
		}
	}
}
