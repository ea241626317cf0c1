package edge

import (
	"context"
	"crypto/tls"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/testcert"
	"github.com/outset-settings/outset/internal/testlog"
	"github.com/outset-settings/outset/internal/testwait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// name is the name in the certificate that a client would get now.
func (c *Certificate) name(t *testing.T) string {
	t.Helper()
	got, err := c.Config().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Leaf.Subject.CommonName
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	testwait.Until(t, 2*time.Minute, what, condition)
}

// TestCertificateReload: a new certificate is served as soon as both files are there, a broken one
// never, and each state of the files is logged once.
func TestCertificateReload(t *testing.T) {
	t.Parallel()
	files, _ := testcert.New(t, "first")
	var log testlog.Buffer
	c, err := LoadCertificate(files.Cert, files.Key, log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.watch(ctx, time.Millisecond)
	}()
	defer func() { stop(); <-ended }()

	files.Renew(t, "second")
	eventually(t, "the second is served", func() bool { return c.name(t) == "second" })

	kept := func(what string, change func()) {
		t.Helper()
		before := strings.Count(log.String(), "level=ERROR")
		change()
		eventually(t, what+" is logged", func() bool {
			return strings.Count(log.String(), "level=ERROR") > before
		})
		if got := c.name(t); got != "second" {
			t.Errorf("%s: %s is served", what, got)
		}
	}
	old, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	kept("half a key", func() {
		if err := os.WriteFile(files.Key, old[:len(old)/2], 0o600); err != nil {
			t.Fatal(err)
		}
	})
	kept("no certificate", func() {
		if err := os.Remove(files.Cert); err != nil {
			t.Fatal(err)
		}
	})
	if strings.Contains(log.String(), string(old[40:60])) {
		t.Error("the key is in the log")
	}

	files.Renew(t, "third")
	eventually(t, "the third is served", func() bool { return c.name(t) == "third" })
	if n := strings.Count(log.String(), "no such file"); n != 1 {
		t.Errorf("the missing file was logged %d times", n)
	}
}

// TestCertificateErrors: a pair that can't be used stops the program at its start.
func TestCertificateErrors(t *testing.T) {
	t.Parallel()
	one, _ := testcert.New(t, "one")
	other, _ := testcert.New(t, "other")
	for name, c := range map[string]struct{ cert, key, want string }{
		"no certificate":  {one.Key, one.Key, "TLS_CERT"},
		"no key":          {one.Cert, one.Cert, "TLS_KEY"},
		"another's key":   {one.Cert, other.Key, "does not match"},
		"no such file":    {"/nowhere", one.Key, "TLS_CERT"},
		"no such key":     {one.Cert, "/nowhere", "TLS_KEY"},
		"not even a file": {t.TempDir(), one.Key, "TLS_CERT"},
	} {
		_, err := LoadCertificate(c.cert, c.key, (&testlog.Buffer{}).Logger())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
