// Package secrets makes what the parts of an installation prove themselves with: a certificate
// authority, certificates, keys and passwords, each in a file of its own. `make secrets` calls it
// for compose.yaml, and tests call it for the servers that they start.
package secrets

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"

	"github.com/outset-settings/outset/deploy"
)

// The modes. In a folder that only its owner can enter, files may be readable for all: a container
// that gets one of them runs as another user, to whom an ordinary user can't give it.
const (
	folderMode  = 0o700
	forSome     = 0o644 // for a container
	forNobody   = 0o600 // for the owner alone
	secretBytes = 32    // of a password or a token: random bytes
)

// natsFile begins the names of the files of a role at the NATS server: NAME.pem, NAME-key.pem and
// NAME.nk.
func natsFile(role string) string { return "nats-" + role }

// folder is where the files are, with what was made of them.
type folder struct {
	path string
	made []string
}

// Make makes the files that are missing in the folder at path, and returns their names. It leaves
// alone what is there: to change a secret, remove its file. A certificate and its key go together,
// and are made anew if the authority has not signed them or they are valid for less than a year.
func Make(path string) (made []string, err error) {
	if err := os.MkdirAll(path, folderMode); err != nil {
		return nil, err
	}
	if err := os.Chmod(path, folderMode); err != nil {
		return nil, err
	}
	f := &folder{path: path}
	for _, part := range []func() error{f.certificates, f.nkeys, f.passwords, f.adminToken} {
		if err := part(); err != nil {
			return f.made, fmt.Errorf("secrets: %w", err)
		}
	}
	return f.made, nil
}

// nkeys makes each role's seed, and nats.env with the public keys for the server.
func (f *folder) nkeys() error {
	var public string
	for _, key := range deploy.NATSKeys {
		file := natsFile(key.Role) + ".nk"
		seed, err := f.keep(file, forSome, func() ([]byte, error) {
			pair, err := nkeys.CreateUser()
			if err != nil {
				return nil, err
			}
			return pair.Seed()
		})
		if err != nil {
			return err
		}
		pair, err := nkeys.ParseDecoratedNKey(seed)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		text, err := pair.PublicKey()
		if err != nil {
			return err
		}
		public += key.Variable + "=" + text + "\n"
	}
	return f.derive("nats.env", []byte(public))
}

// passwords makes those of Postgres's users, and for those who connect over the network the same as
// a libpq password file.
func (f *folder) passwords() error {
	if _, err := f.keep("postgres-postgres-password", forSome, password); err != nil {
		return err
	}
	for _, user := range []string{"migrator", "worker"} {
		word, err := f.keep("postgres-"+user+"-password", forSome, password)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("*:*:*:outset_%s:%s\n", user, word)
		if err := f.derive("postgres-"+user+".pgpass", []byte(line)); err != nil {
			return err
		}
	}
	return nil
}

// adminToken makes a service token of the API that may do everything, in the form that ADMIN_TOKEN
// has.
func (f *folder) adminToken() error {
	_, err := f.keep("admin-token", forSome, func() ([]byte, error) {
		random := make([]byte, secretBytes)
		_, err := rand.Read(random)
		return []byte("outset_compose_" + hex.EncodeToString(random)), err
	})
	return err
}

// password has only letters, digits, - and _, so that it can stand in a URL.
func password() ([]byte, error) {
	random := make([]byte, secretBytes)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	return []byte(base64.RawURLEncoding.EncodeToString(random)), nil
}

// keep returns what is in a file, and makes the file if it is missing.
func (f *folder) keep(name string, mode fs.FileMode, content func() ([]byte, error)) ([]byte, error) {
	old, err := os.ReadFile(f.at(name))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return old, err
	}
	text, err := content()
	if err != nil {
		return nil, err
	}
	return text, f.write(name, mode, text)
}

// derive writes a file that follows from others.
func (f *folder) derive(name string, content []byte) error {
	if old, err := os.ReadFile(f.at(name)); err == nil && string(old) == string(content) {
		return nil
	}
	return f.write(name, forSome, content)
}

// write puts a file there as a whole, whatever the umask.
func (f *folder) write(name string, mode fs.FileMode, content []byte) error {
	temporary, err := os.CreateTemp(f.path, ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // no longer there after the rename
	_, err = temporary.Write(content)
	if err := errors.Join(err, temporary.Chmod(mode), temporary.Close()); err != nil {
		return err
	}
	f.made = append(f.made, name)
	return os.Rename(temporary.Name(), f.at(name))
}

func (f *folder) at(name string) string { return filepath.Join(f.path, name) }
