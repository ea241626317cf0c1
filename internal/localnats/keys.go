package localnats

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keyFolder is where in a data directory the keys are.
const keyFolder = "nats"

// KeyFile is the file in which SaveKeys puts a role's key, for NATS_NKEY.
func KeyFile(data string, role Role) string {
	return filepath.Join(data, keyFolder, fileOf(role))
}

func fileOf(role Role) string { return string(role) + ".nk" }

// SaveKeys writes the keys below a data directory, which it makes if it is missing, into files that
// only this user can read. After the server's end they are of no use.
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
	return nil
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
