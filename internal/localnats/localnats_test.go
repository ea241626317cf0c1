package localnats_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/pkg/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) *localnats.Server {
	t.Helper()
	s, err := localnats.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// TestOnlyWithAKey: nobody connects without a key of this start. What each role may do is tested
// in package deploy, from whose file it comes.
func TestOnlyWithAKey(t *testing.T) {
	t.Parallel()
	s, before := start(t), start(t)
	for name, option := range map[string]nats.Option{
		"no key":           nats.Name("stranger"),
		"a password":       nats.UserInfo("api", "api"),
		"of another start": before.As(localnats.API),
	} {
		if nc, err := nats.Connect(s.URL(), option); !errors.Is(err, nats.ErrAuthorization) {
			nc.Close()
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, role := range []localnats.Role{localnats.API, localnats.Worker, localnats.Operator} {
		nc, err := nats.Connect(s.URL(), s.As(role),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
		if err != nil {
			t.Errorf("%s: %v", role, err)
			continue
		}
		_ = nc.Publish(messages.ReadSubject, nil)
		_ = nc.FlushTimeout(time.Minute)
		if err := nc.LastError(); (err == nil) != (role == localnats.API) {
			t.Errorf("%s sends a request: %v", role, err)
		}
		nc.Close()
	}
}

// TestSavedKeys: the keys are in files that only their owner can read, also where such files were
// there before with other modes.
func TestSavedKeys(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "new", "data")
	s := start(t)
	if err := s.SaveKeys(data); err != nil {
		t.Fatal(err)
	}
	file := localnats.KeyFile(data, localnats.Operator)
	for _, err := range []error{
		os.Chmod(filepath.Dir(file), 0o777), os.Chmod(file, 0o666),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s = start(t)
	if err := s.SaveKeys(data); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		file: 0o600, filepath.Dir(file): fs.ModeDir | 0o700,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	key, err := nats.NkeyOptionFromSeed(file)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.URL(), key)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// TestSavedKeyOfAServer: only for the server whose keys they are does somebody find them, whichever
// of this machine's names they have for it, and after its end nobody does.
func TestSavedKeyOfAServer(t *testing.T) {
	t.Parallel()
	data, s, other := t.TempDir(), start(t), start(t)
	file := localnats.KeyFile(data, localnats.Operator)
	found := func(url string) string { return localnats.SavedKey(data, localnats.Operator, url) }
	if got := found(s.URL()); got != "" {
		t.Errorf("nothing was saved: %q", got)
	}
	if err := s.SaveKeys(data); err != nil {
		t.Fatal(err)
	}
	port := s.URL()[strings.LastIndex(s.URL(), ":"):]
	for _, url := range []string{
		s.URL(), "127.0.0.1" + port, "nats://localhost" + port, "tls://[::1]" + port,
	} {
		if got := found(url); got != file {
			t.Errorf("%s: %q", url, got)
		}
	}
	for _, url := range []string{
		"", "nats://127.0.0.1:1", "nats://nats.example" + port, s.URL() + "," + other.URL(), ":",
	} {
		if got := found(url); got != "" {
			t.Errorf("%q: %q", url, got)
		}
	}
	if err := other.RemoveKeys(data); err != nil || found(s.URL()) != file {
		t.Errorf("another server has removed them: %v", err)
	}
	for range 2 {
		if err := s.RemoveKeys(data); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestNoPort: a URL without a port is that of NATS's usual one.
func TestNoPort(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if err := os.Mkdir(filepath.Join(data, "nats"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "nats", "url")
	if err := os.WriteFile(file, []byte("nats://0.0.0.0:4222\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"localhost", "nats://127.0.0.1:4222", "nats://[::1]"} {
		if localnats.SavedKey(data, localnats.Operator, url) == "" {
			t.Errorf("no key for %s", url)
		}
	}
}

// TestLinksLeadNowhere: root may save keys in a directory of somebody else's.
func TestLinksLeadNowhere(t *testing.T) {
	t.Parallel()
	data, elsewhere := t.TempDir(), t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(data, "nats")); err != nil {
		t.Fatal(err)
	}
	if err := start(t).SaveKeys(data); err == nil {
		t.Error("it followed a link")
	}
	if left, _ := os.ReadDir(elsewhere); len(left) > 0 {
		t.Errorf("written elsewhere: %v", left)
	}
}

func TestImpossibleAddress(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, addr := range []string{taken.Addr().String(), "127.0.0.1", "127.0.0.1:x"} {
		if s, err := localnats.Start(addr); err == nil || !strings.HasPrefix(err.Error(), "NATS_ADDR: ") {
			s.Stop()
			t.Errorf("%s: %v", addr, err)
		}
	}
}
