package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/outset-settings/outset/internal/testlog"
)

// TestImpossibleIdentity: what can't be read stops the program at once, with the setting's name and
// nothing of the file.
func TestImpossibleIdentity(t *testing.T) {
	t.Parallel()
	const secret = "SUAhushhush"
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		identity NATSIdentity
		want     string
	}{
		"no creds":        {NATSIdentity{Creds: "/nowhere"}, "NATS_CREDS: "},
		"junk creds":      {NATSIdentity{Creds: junk}, "NATS_CREDS: "},
		"creds and nkey":  {NATSIdentity{Creds: junk, NKey: junk}, "NATS_CREDS: NATS_NKEY is set"},
		"no nkey":         {NATSIdentity{NKey: "/nowhere"}, "NATS_NKEY: "},
		"junk nkey":       {NATSIdentity{NKey: junk}, "NATS_NKEY: "},
		"no CA":           {NATSIdentity{CA: "/nowhere"}, "NATS_CA: "},
		"junk CA":         {NATSIdentity{CA: junk}, "NATS_CA: "},
		"no certificate":  {NATSIdentity{Key: junk}, "NATS_CERT, NATS_KEY: set both"},
		"no private key":  {NATSIdentity{Cert: junk}, "NATS_CERT, NATS_KEY: set both"},
		"junk of the two": {NATSIdentity{Cert: junk, Key: junk}, "NATS_CERT, NATS_KEY: "},
	} {
		var log testlog.Buffer
		_, err := NATS{URL: "nats://127.0.0.1:1", NATSIdentity: c.identity}.Connect("test", log.Logger())
		if err == nil || !strings.HasPrefix(err.Error(), c.want) ||
			strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// TestNKey: with the seed of a key that the server knows a program connects, and again after the
// server was away.
func TestNKey(t *testing.T) {
	t.Parallel()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "seed.nk")
	if err := os.WriteFile(file, append(seed, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	known := func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} }
	addr := freeAddr(t)
	s := startServer(t, addr, known)
	var log testlog.Buffer
	nc, err := NATS{URL: "nats://" + addr, NATSIdentity: NATSIdentity{NKey: file}}.Connect("test",
		log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	eventually(t, "it is connected", nc.IsConnected)
	stopServer(s)
	eventually(t, "the loss is noticed", func() bool { return !nc.IsConnected() })
	startServer(t, addr, known)
	eventually(t, "it is connected again", nc.IsConnected)
	if strings.Contains(log.String(), string(seed)) {
		t.Errorf("the seed is in the log: %s", &log)
	}
}
