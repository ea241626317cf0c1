package localnats

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// keyFolder is where in a data directory the keys are, and urlFile which of its files says whose
// they are.
const (
	keyFolder = "nats"
	urlFile   = "url"
)

// KeyFile is the file in which SaveKeys puts a role's key, for NATS_NKEY.
func KeyFile(data string, role Role) string {
	return filepath.Join(data, keyFolder, fileOf(role))
}

func fileOf(role Role) string { return string(role) + ".nk" }

// SavedKey returns the file in which SaveKeys has put a role's key, or "" if there are no keys, or
// those of another server than the one at the URL.
func SavedKey(data string, role Role, url string) string {
	file := filepath.Join(data, keyFolder, urlFile)
	saved, err := os.ReadFile(file) //nolint:gosec // the user says where
	if at := address(url); err != nil || at == "" || address(string(saved)) != at {
		return ""
	}
	return KeyFile(data, role)
}

// address is where a client on this machine finds the server of a URL, or "" if that isn't one
// URL. All names of this machine's own are one address.
func address(text string) string {
	if !strings.Contains(text, "://") { // as the NATS client takes it
		text = "nats://" + text
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if ip := net.ParseIP(host); host == "localhost" || ip.IsLoopback() || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, cmp.Or(u.Port(), strconv.Itoa(nats.DefaultPort)))
}

// SaveKeys writes the keys below a data directory, which it makes if it is missing, into files that
// only this user can read. After the server's end they are of no use: see RemoveKeys.
func (s *Server) SaveKeys(data string) error {
	if err := s.saveKeys(data); err != nil {
		return fmt.Errorf("keys for NATS: %w", err)
	}
	return nil
}

func (s *Server) saveKeys(data string) error {
	if err := os.MkdirAll(data, 0o755); err != nil { //nolint:gosec // the keys are in a folder that is 0700
		return err
	}
	// As root in a directory of another user's: no link of theirs leads out of it.
	root, err := os.OpenRoot(data)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := root.Mkdir(keyFolder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := root.Chmod(keyFolder, 0o700); err != nil {
		return err
	}
	folder, err := root.OpenRoot(keyFolder)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	for role, pair := range s.keys {
		seed, err := pair.Seed()
		if err != nil {
			return err
		}
		if err := replace(folder, fileOf(role), append(seed, '\n')); err != nil {
			return err
		}
	}
	return replace(folder, urlFile, []byte(s.URL()+"\n"))
}

// RemoveKeys removes what SaveKeys has written, unless another server's keys are there by now.
func (s *Server) RemoveKeys(data string) error {
	if err := s.removeKeys(data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keys for NATS: %w", err)
	}
	return nil
}

func (s *Server) removeKeys(data string) error {
	root, err := os.OpenRoot(data)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	folder, err := root.OpenRoot(keyFolder)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	saved, err := folder.ReadFile(urlFile)
	if err != nil || strings.TrimSpace(string(saved)) != s.URL() {
		return err
	}
	err = folder.Remove(urlFile)
	for role := range s.keys {
		err = errors.Join(err, folder.Remove(fileOf(role)))
	}
	return err
}

// replace makes a new file instead of writing to the old one, whose mode may be another and which
// somebody may have open.
func replace(folder *os.Root, name string, content []byte) error {
	if err := folder.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
