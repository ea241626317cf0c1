package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// newFileMode lets only the owner read a new file: settings are personal data.
const newFileMode fs.FileMode = 0o600

// saveTo calls write to write a file. A regular file is replaced once all is written, and stays as
// it is if write fails. A device or a pipe is written directly.
func saveTo(path string, write func(io.Writer) error) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("writing %s: it is a dangling symbolic link", path)
		}
		return replaceFile(path, newFileMode, write)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("writing %s: it is a directory", path)
	case !info.Mode().IsRegular():
		return writeThrough(path, write)
	}
	target, err := filepath.EvalSymlinks(path) // keeps the link
	if err != nil {
		return err
	}
	return replaceFile(target, info.Mode().Perm(), write)
}

func writeThrough(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the user has chosen it
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// replaceFile replaces the file at a path once write has written all of the new one.
func replaceFile(path string, mode fs.FileMode, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	var why *fs.PathError
	if errors.As(err, &why) {
		return fmt.Errorf("writing %s: %w", path, why.Err) // without the temporary name
	}
	if err != nil {
		return err
	}
	err = write(namedWriter{file, path})
	if err == nil {
		err = named(errors.Join(file.Chmod(mode), file.Sync()), path)
	}
	if err = errors.Join(err, named(file.Close(), path)); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// namedWriter writes a temporary file, whose errors name the file that it will be.
type namedWriter struct {
	io.Writer
	path string
}

func (n namedWriter) Write(b []byte) (int, error) {
	written, err := n.Writer.Write(b)
	return written, named(err, n.path)
}

func named(err error, path string) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return &fs.PathError{Op: e.Op, Path: path, Err: e.Err}
	}
	return err
}
