package localpg_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// TestNoOtherUserGetsIn: another user of the machine can't reach the socket, nor read the data, and
// nothing listens on the network.
func TestNoOtherUserGetsIn(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can act as another user")
	}
	for name, dir := range map[string]string{
		"short path": pgtest.TempDir(t),
		"long path":  filepath.Join(pgtest.TempDir(t), strings.Repeat("long/", 40)),
	} {
		initialize(t, dir)
		s := start(t, localpg.Options{Dir: dir})
		if got := query(t, s.URL(), "show listen_addresses"); got != "" {
			t.Errorf("%s: it listens at %s", name, got)
		}
		folder := strings.Trim(query(t, s.URL(), "show unix_socket_directories"), `"`)
		socket := filepath.Join(folder, ".s.PGSQL.5432")
		var dialled, read error
		asStranger(t, func() {
			var conn net.Conn
			if conn, dialled = net.Dial("unix", socket); dialled == nil {
				_ = conn.Close()
			}
			_, read = os.ReadDir(filepath.Join(dir, "data"))
		})
		if !errors.Is(dialled, fs.ErrPermission) || !errors.Is(read, fs.ErrPermission) {
			t.Errorf("%s: another user connects: %v, reads: %v", name, dialled, read)
		}
		if conn, err := net.Dial("unix", socket); err != nil { // the path is the right one
			t.Error(err)
		} else {
			_ = conn.Close()
		}
	}
}

// asStranger does something with the rights on files that a user has who owns none.
func asStranger(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and it ends with the goroutine, since its user is another
		const nobody = 64321
		// The kernel takes root's rights on files from a thread with this user.
		if err := errors.Join(unix.Setfsgid(nobody), unix.Setfsuid(nobody)); err != nil {
			t.Error(err)
			return
		}
		do()
	}()
	<-done
}
