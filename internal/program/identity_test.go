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
	write(t, junk, secret)
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
// server was away, with the key that the file has by then.
func TestNKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "seed.nk")
	seed, known := makeKey(t)
	write(t, file, seed)
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
	again := func(known func(*server.Options)) *server.Server {
		stopServer(s)
		eventually(t, "the loss is noticed", func() bool { return !nc.IsConnected() })
		return startServer(t, addr, known)
	}
	s = again(known)
	eventually(t, "it is connected again", nc.IsConnected)

	if err := os.Remove(file); err != nil { // as outset up does
		t.Fatal(err)
	}
	newSeed, newKnown := makeKey(t)
	s = again(newKnown)
	eventually(t, "the missing file is named", func() bool {
		return strings.Contains(log.String(), file)
	})
	write(t, file, newSeed)
	eventually(t, "it is connected with the new key", nc.IsConnected)
	for _, secret := range []string{seed, newSeed} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("a seed is in the log: %s", &log)
		}
	}
}

// makeKey returns the seed of an nkey, and an option by which a server knows it.
func makeKey(t *testing.T) (seed string, known func(*server.Options)) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(secret), func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} }
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
