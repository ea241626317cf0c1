package deploy_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/program"
	"github.com/outset-settings/outset/internal/secrets"
	"github.com/outset-settings/outset/internal/testlog"
)

// TestStrangersCantConnect: the server lets in who has both a key that it knows and a certificate
// of its authority.
func TestStrangersCantConnect(t *testing.T) {
	q := serve(t)
	foreign := queue{url: q.url, secrets: t.TempDir()}
	if _, err := secrets.Make(foreign.secrets); err != nil {
		t.Fatal(err)
	}
	known, other := q.as("api"), foreign.as("api")
	for name, change := range map[string]func(*program.NATSIdentity){
		"no key":            func(i *program.NATSIdentity) { i.NKey = "" },
		"an unknown key":    func(i *program.NATSIdentity) { i.NKey = other.NKey },
		"no certificate":    func(i *program.NATSIdentity) { i.Cert, i.Key = "", "" },
		"another authority": func(i *program.NATSIdentity) { i.Cert, i.Key = other.Cert, other.Key },
		"a server's": func(i *program.NATSIdentity) {
			i.Cert, i.Key = q.file("nats-server.pem"), q.file("nats-server-key.pem")
		},
		"nothing":            func(i *program.NATSIdentity) { *i = program.NATSIdentity{CA: i.CA} },
		"nothing, not TLS":   func(i *program.NATSIdentity) { *i = program.NATSIdentity{} },
		"a key, without TLS": func(i *program.NATSIdentity) { *i = program.NATSIdentity{NKey: i.NKey} },
		"all but our CA":     func(i *program.NATSIdentity) { i.CA = other.CA }, // the client refuses
	} {
		identity := known.NATSIdentity
		change(&identity)
		options, err := identity.Options()
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect(q.url, append(options, nats.Timeout(patience))...)
		if err == nil {
			nc.Close()
			t.Errorf("%s: connected", name)
			continue
		}
		t.Logf("%s: %v", name, err)
	}
	for user, options := range map[string][]nats.Option{
		"a password": {nats.UserInfo("api", "api")},
		"a token":    {nats.Token("api")},
	} {
		identity, err := program.NATSIdentity{CA: known.CA, Cert: known.Cert, Key: known.Key}.Options()
		if err != nil {
			t.Fatal(err)
		}
		if nc, err := nats.Connect(q.url, append(options, identity...)...); err == nil {
			nc.Close()
			t.Errorf("%s: connected", user)
		}
	}
	if _, err := tryConnect(t, q, "api"); err != nil {
		t.Errorf("one of us: %v", err)
	}
}

// TestRefusalsAreLogged: a program with a wrong key says so, goes on trying, and keeps its key to
// itself.
func TestRefusalsAreLogged(t *testing.T) {
	q := serve(t)
	foreign := queue{url: q.url, secrets: t.TempDir()}
	if _, err := secrets.Make(foreign.secrets); err != nil {
		t.Fatal(err)
	}
	who := q.as("api")
	who.NKey = foreign.file("nats-api.nk")
	var log testlog.Buffer
	nc, err := who.Connect("test", log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	eventually(t, "it is logged", func() bool {
		return strings.Contains(log.String(), "Authorization Violation")
	})
	if strings.Contains(log.String(), "SU") {
		t.Errorf("a seed is in the log: %s", &log)
	}
}
