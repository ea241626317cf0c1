package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// newFile is the mode of a file that was not there: settings are nobody else's business.
const newFile fs.FileMode = 0o600

// saveTo has write write a file. A regular one is put in the place of the old when all of it has
// been written, and the old stays as it is otherwise; a device or a pipe is written to.
func saveTo(path string, write func(io.Writer) error) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("writing %s: it is a symbolic link to nothing", path)
		}
		return replaceFile(path, newFile, write)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("writing %s: it is a directory", path)
	case !info.Mode().IsRegular():
		return writeThrough(path, write)
	}
	target, err := filepath.EvalSymlinks(path) // the link stays one
	if err != nil {
		return err
	}
	return replaceFile(target, info.Mode().Perm(), write)
}

func writeThrough(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the person who runs it has chosen it
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// replaceFile puts a file at a path when write has written all of it, and leaves what is there as
// it is otherwise.
func replaceFile(path string, mode fs.FileMode, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	var why *fs.PathError
	if errors.As(err, &why) {
		return fmt.Errorf("writing %s: %w", path, why.Err) // not its name of the moment
	}
	if err != nil {
		return err
	}
	err = write(file)
	if err == nil {
		err = errors.Join(file.Chmod(mode), file.Sync())
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
