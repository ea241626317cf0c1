// Package e2e tests the whole with real processes, killed, replaced and upgraded under load.
// TestCompose (build tag e2e, `make e2e`) starts compose.yaml, all others the programs themselves.
//
// With -short, as in `make test`, the programs are built without the race detector and the counts
// are smaller. Without it, as in .ci/run, all of it is done.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(removingPrograms{m}) }

// removingPrograms runs the tests, then removes the programs that they have built.
type removingPrograms struct{ m *testing.M }

func (r removingPrograms) Run() int {
	defer func() {
		for _, dir := range built.dirs {
			_ = os.RemoveAll(dir)
		}
	}()
	return r.m.Run()
}

// short returns one or the other number, as -short says.
func short(inShort, inFull int) int {
	if testing.Short() {
		return inShort
	}
	return inFull
}

var (
	plainPrograms = sync.OnceValues(func() (string, error) { return build("..") })
	racePrograms  = sync.OnceValues(func() (string, error) { return build("..", "-race") })

	built struct {
		sync.Mutex

		dirs []string
	}
)

// programs returns the folder with this tree's programs, which all tests share: under the race
// detector, unless -short is given.
func programs(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		return programsWithoutRace(t)
	}
	dir, err := racePrograms()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// programsWithoutRace is for tests that measure memory, most of which the race detector would take.
func programsWithoutRace(t *testing.T) string {
	t.Helper()
	dir, err := plainPrograms()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// build builds the programs of the tree at dir, with their failpoints, into a new folder that is
// removed after the last test. -trimpath lets trees in temporary folders share Go's cache.
func build(dir string, options ...string) (string, error) {
	to, err := os.MkdirTemp("", "outset-e2e-")
	if err != nil {
		return "", err
	}
	built.Lock()
	built.dirs = append(built.dirs, to)
	built.Unlock()
	args := append([]string{"build", "-trimpath", "-ldflags=-w", "-tags", "failpoint", "-o", to}, options...)
	cmd := exec.Command("go", append(args, "./cmd/api", "./cmd/worker", "./examples/nats")...)
	cmd.Dir = dir
	if !slices.Contains(options, "-race") {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as `make build` does, whose cache it shares
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build in %s: %w\n%s", dir, err, out)
	}
	return to, nil
}
