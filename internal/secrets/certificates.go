package secrets

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/outset-settings/outset/deploy"
)

// How long certificates are valid. One that is valid for less than a year is made anew.
const (
	authorityYears   = 10
	certificateYears = 5
	renewYears       = 1
	serialBits       = 127
)

// certificates makes the authority, and what it signs: of the servers, by the names that
// compose.yaml gives them, and of the clients of NATS.
func (f *folder) certificates() error {
	authority, err := f.authority()
	if err != nil {
		return err
	}
	for _, host := range []string{"nats", "postgres"} {
		if err := f.certificate(host+"-server", authority, &x509.Certificate{
			Subject:     pkix.Name{CommonName: host},
			DNSNames:    []string{host, "localhost"},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}); err != nil {
			return err
		}
	}
	for _, key := range deploy.NATSKeys {
		name := natsFile(key.Role)
		if err := f.certificate(name, authority, &x509.Certificate{
			Subject:     pkix.Name{CommonName: name},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}); err != nil {
			return err
		}
	}
	return nil
}

// authority returns the certificate authority, and makes one if there is none. Its key is for
// signing here, and for no container; it may be kept elsewhere, and is missing then.
func (f *folder) authority() (*tls.Certificate, error) {
	text, err := os.ReadFile(f.at("ca.pem"))
	if errors.Is(err, fs.ErrNotExist) {
		if err := f.sign("ca", forNobody, &x509.Certificate{
			Subject:               pkix.Name{CommonName: "Outset"},
			NotAfter:              time.Now().AddDate(authorityYears, 0, 0),
			BasicConstraintsValid: true,
			IsCA:                  true,
			MaxPathLenZero:        true,
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}, nil); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(f.at("ca.pem"))
	}
	if err != nil {
		return nil, err
	}
	if !f.has("ca-key.pem") {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, errors.New("ca.pem has no certificate")
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		return &tls.Certificate{Leaf: leaf}, err
	}
	pair, err := tls.LoadX509KeyPair(f.at("ca.pem"), f.at("ca-key.pem"))
	return &pair, err
}

// certificate makes a certificate with its key, unless both are there, fit together, were signed by
// this authority and are valid for long enough.
func (f *folder) certificate(name string, authority *tls.Certificate, template *x509.Certificate,
) error {
	now := time.Now()
	pair, err := tls.LoadX509KeyPair(f.at(name+".pem"), f.at(name+"-key.pem"))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return err
	case err == nil && pair.Leaf.CheckSignatureFrom(authority.Leaf) == nil &&
		now.AddDate(renewYears, 0, 0).Before(pair.Leaf.NotAfter):
		return nil
	case authority.PrivateKey == nil:
		return fmt.Errorf("%s.pem must be made: put ca-key.pem back, or remove ca.pem to make all "+
			"certificates anew", name)
	}
	// What outlives its authority is of no use.
	until := authority.Leaf.NotAfter
	if now.AddDate(renewYears, 0, 0).After(until) {
		return fmt.Errorf("ca.pem is valid until %s only: remove it to make all certificates anew",
			until.Format(time.DateOnly))
	}
	template.NotAfter = now.AddDate(certificateYears, 0, 0)
	if template.NotAfter.After(until) {
		template.NotAfter = until
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	return f.sign(name, forSome, template, authority)
}

func (f *folder) has(name string) bool {
	_, err := os.Stat(f.at(name))
	return err == nil
}

// sign makes a key and its certificate, which the authority signs, or the key itself. The keys are
// ECDSA, which OpenSSL, Go and SCRAM's channel binding all know.
func (f *folder) sign(name string, mode fs.FileMode, template *x509.Certificate,
	authority *tls.Certificate,
) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour) // clocks differ
	parent, signer := template, any(key)
	if authority != nil {
		parent, signer = authority.Leaf, authority.PrivateKey
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		f.write(name+"-key.pem", mode, encode("PRIVATE KEY", private)),
		f.write(name+".pem", forSome, encode("CERTIFICATE", certificate)),
	)
}

func encode(kind string, data []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data})
}
