//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// port only names the socket: there is no TCP.
	port       = "5432"
	socketName = ".s.PGSQL." + port
	// maxSocketPath is what fits into a sockaddr_un on macOS (104 bytes with the final zero);
	// Linux has four more, not worth a difference.
	maxSocketPath = 103
	socketPrefix  = "outset-pg-"
)

// socketDir is the private directory that holds the server's socket.
type socketDir struct {
	path      string
	temporary bool
}

// newSocketDir takes the data directory, which is private already, when its path can be a
// socket's, else makes a temporary one.
func (c *cluster) newSocketDir(ctx context.Context) (*socketDir, error) {
	if fitsSocket(c.data) {
		return &socketDir{path: c.data}, nil
	}
	var errs []error
	for _, parent := range socketParents() {
		s, err := c.temporarySocketDir(ctx, parent)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no directory for a Unix socket: %w", errors.Join(errs...))
}

func (c *cluster) temporarySocketDir(ctx context.Context, parent string) (*socketDir, error) {
	path, err := os.MkdirTemp(parent, socketPrefix)
	if err != nil {
		return nil, err
	}
	s := &socketDir{path: path, temporary: true}
	if !fitsSocket(path) {
		s.remove()
		return nil, fmt.Errorf("%s is too long for a socket", path)
	}
	if err := c.account.own(path); err != nil {
		s.remove()
		return nil, err
	}
	if err := c.account.reach(ctx, c.bin, path); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// fitsSocket also refuses a comma, at which pgx and libpq split a list of hosts.
func fitsSocket(dir string) bool {
	return len(dir)+len("/"+socketName) <= maxSocketPath && !strings.Contains(dir, ",")
}

// remove may be called on nil and more than once.
func (s *socketDir) remove() {
	if s != nil && s.temporary {
		_ = os.RemoveAll(s.path)
	}
}

func socketParents() []string { return []string{os.TempDir(), "/tmp"} }

// removeStaleSocketDir removes the temporary directory of a server whose owner was killed. The path
// comes from a file that the server's user may write, so root removes only what looks like one.
func removeStaleSocketDir(path string) {
	if slices.Contains(socketParents(), filepath.Dir(path)) &&
		strings.HasPrefix(filepath.Base(path), socketPrefix) {
		_ = os.RemoveAll(path)
	}
}
