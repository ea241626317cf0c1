package program

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// NATSIdentity is how the NATS server knows us, and we know it. What is secret is in files, which
// are read at each connection: a new certificate counts from the next one on.
type NATSIdentity struct {
	Creds string `name:"nats-creds" env:"NATS_CREDS" placeholder:"FILE" help:"credentials for NATS: a file with a JWT and its seed"`
	NKey  string `name:"nats-nkey" env:"NATS_NKEY" placeholder:"FILE" help:"the seed of an nkey for NATS"`
	CA    string `name:"nats-ca" env:"NATS_CA" placeholder:"FILE" help:"certificates of the authorities that may sign the NATS server's (default: the system's); without TLS there is no connection"`
	Cert  string `name:"nats-cert" env:"NATS_CERT" placeholder:"FILE" help:"our certificate for the NATS server"`
	Key   string `name:"nats-key" env:"NATS_KEY" placeholder:"FILE" help:"the private key of NATS_CERT"`
}

// Options returns the options of a connection with this identity. Its error names the setting whose
// files can't be used, and has nothing of what is in them.
func (i NATSIdentity) Options() ([]nats.Option, error) {
	var options []nats.Option
	for _, part := range []struct {
		name   string
		given  bool
		option func() (nats.Option, error)
	}{
		{"NATS_CREDS", i.Creds != "", i.creds},
		{"NATS_NKEY", i.NKey != "", func() (nats.Option, error) {
			return nats.NkeyOptionFromSeed(i.NKey)
		}},
		{"NATS_CA", i.CA != "", func() (nats.Option, error) { return nats.RootCAs(i.CA), nil }},
		{"NATS_CERT, NATS_KEY", i.Cert+i.Key != "", i.certificate},
	} {
		if !part.given {
			continue
		}
		option, err := part.option()
		if err == nil {
			err = option(new(nats.Options)) // reads the file
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		options = append(options, option)
	}
	return options, nil
}

func (i NATSIdentity) creds() (nats.Option, error) {
	if i.NKey != "" {
		return nil, errors.New("NATS_NKEY is set as well; choose one of them")
	}
	option := nats.UserCredentials(i.Creds)
	// NATS would read the file only when it connects, and try that for ever.
	var o nats.Options
	if err := option(&o); err != nil {
		return nil, err
	}
	if _, err := o.UserJWT(); err != nil {
		return nil, err
	}
	if _, err := o.SignatureCB([]byte("nonce")); err != nil {
		return nil, err
	}
	return option, nil
}

var errNewKey = errors.New("NATS_NKEY: the file has another key by now, which comes next")

// newKey is an option that follows the nkey's file. NATS itself reads the seed at each connection,
// and the public key only once.
func (i NATSIdentity) newKey(made *atomic.Pointer[nats.Conn]) nats.Option {
	return func(o *nats.Options) error {
		o.SignatureCB = func(nonce []byte) ([]byte, error) {
			var now nats.Options
			option, err := nats.NkeyOptionFromSeed(i.NKey)
			if err == nil {
				err = option(&now)
			}
			if err != nil {
				return nil, err
			}
			// Whoever asks for a signature holds the lock under which the key is read.
			if nc := made.Load(); nc != nil && nc.Opts.Nkey != now.Nkey {
				nc.Opts.Nkey = now.Nkey
				return nil, errNewKey
			}
			return now.SignatureCB(nonce)
		}
		return nil
	}
}

func (i NATSIdentity) certificate() (nats.Option, error) {
	if i.Cert == "" || i.Key == "" {
		return nil, errors.New("set both or none")
	}
	return nats.ClientCert(i.Cert, i.Key), nil
}
