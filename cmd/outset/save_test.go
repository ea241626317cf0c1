//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// saves writes a text by saveTo, which then fails with failure if that isn't nil.
func saves(path, text string, failure error) error {
	return saveTo(path, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return errors.Join(err, failure)
	})
}

// TestSave: a file is replaced only by a complete one, which keeps its mode and the links to it.
func TestSave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("old"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Chmod, because the mode of a new file depends on the umask.
	if err := errors.Join(os.Chmod(in("old"), 0o664), os.Symlink("old", in("link")),
		os.Symlink("nowhere", in("dangling")), os.Mkdir(in("dir"), 0o700)); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for _, c := range []struct {
		path    string
		failure error
		content string // what is there then
		mode    fs.FileMode
	}{
		{"new", nil, "1", 0o600},
		{"old", broken, "old", 0o664},
		{"old", nil, "2", 0o664},
		{"link", nil, "3", 0o664},
	} {
		text := c.content
		if c.failure != nil {
			text = "part"
		}
		err := saves(in(c.path), text, c.failure)
		got, failed := os.ReadFile(in(c.path))
		info, failed2 := os.Stat(in(c.path))
		if !errors.Is(err, c.failure) || errors.Join(failed, failed2) != nil ||
			string(got) != c.content || info.Mode() != c.mode {
			t.Errorf("%s: %v, %q, %v", c.path, err, got, info.Mode())
		}
	}
	if to, err := os.Readlink(in("link")); err != nil || to != "old" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	for _, name := range []string{"dir", "dangling", "nowhere/new"} {
		if err := saveTo(in(name), func(io.Writer) error {
			t.Errorf("write was called for %s", name)
			return nil
		}); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 5 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestSaveToPipe: a pipe is written and stays a pipe.
func TestSaveToPipe(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for path, from := range map[string]func() ([]byte, error){
		fifo: func() ([]byte, error) { return os.ReadFile(fifo) },
		fmt.Sprint("/dev/fd/", w.Fd()): func() ([]byte, error) {
			b := make([]byte, 4)
			_, err := io.ReadFull(r, b)
			return b, err
		},
	} {
		var reading sync.WaitGroup
		reading.Go(func() {
			if got, err := from(); err != nil || string(got) != "text" {
				t.Errorf("%s: %q, %v", path, got, err)
			}
		})
		if err := saves(path, "text", nil); err != nil {
			t.Error(path, err)
		}
		reading.Wait()
	}
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(fifo); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		t.Error(info, err)
	}
}
