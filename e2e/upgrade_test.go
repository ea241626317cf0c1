package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"
)

// baseCommit is the commit whose programs TestRollingUpgrade upgrades from. Set it to the hash of
// the commit that ends a change of the messages or the tables, and after the first release to the
// last release. While it is empty this tree's own programs take both parts: that tests the
// procedure, but not that two formats understand each other.
const baseCommit = "da02d7336605a8ce250fcf2c7c795b1ca8384d91"

const (
	// residents are users who were last written before the upgrade, residentVersions times.
	residents        = 20
	residentVersions = 3
)

// TestRollingUpgrade replaces the old programs by new ones under load: first the tables, then
// the workers, then the APIs. Old and new serve side by side, an old worker
// restarts in between, and no request fails.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := emptySystem(ctx, t)
	old := basePrograms(t, s.bin)
	s.migrate(old)

	oldWorker := s.worker(old)
	oldAPI, oldBase := s.api(old)
	l := startLoad(t, oldBase, "old alone")
	s.do(eachOf(residents, func(i int) error {
		var all error
		for v := 1; v <= residentVersions; v++ {
			_, err := s.want(oldBase, residentWrite(i, v), http.StatusOK, int64(v))
			all = errors.Join(all, err)
		}
		return all
	}))
	s.do(l.settle(ctx, 200))

	l.phase("new worker beside")
	s.migrate(s.bin)
	s.newWorker()
	s.do(l.settle(ctx, 200))

	l.phase("new API beside")
	newBase := s.newAPI()
	l.through(oldBase, newBase)
	s.do(eachOf(residents, func(i int) error {
		return errors.Join(s.remembers(oldBase, i), s.remembers(newBase, i))
	}))
	s.do(l.settle(ctx, 200))

	l.phase("old worker restarts")
	s.do(oldWorker.terminate(ctx))
	oldWorker = s.worker(old)
	s.do(l.settle(ctx, 200))

	l.phase("old ones stop")
	l.through(newBase)
	s.do(oldAPI.terminate(ctx))
	s.do(oldWorker.terminate(ctx))
	s.do(l.settle(ctx, 200))
	s.do(eachOf(residents, func(i int) error {
		return errors.Join(s.remembers(newBase, i), s.goesOn(newBase, i))
	}))

	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	s.verify(l)
}

// basePrograms builds the programs of baseCommit from git's history. Without such, they are those
// in bin.
func basePrograms(t *testing.T, bin string) string {
	t.Helper()
	if baseCommit == "" {
		return bin
	}
	archive, err := exec.CommandContext(t.Context(), "git", "-C", "..", "archive",
		baseCommit).Output()
	if err != nil {
		t.Skipf("commit %s is not in this tree's history (an export or a shallow clone?): %v",
			baseCommit, err)
	}
	tree := t.TempDir()
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", tree)
	unpack.Stdin = bytes.NewReader(archive)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	var race []string
	if !testing.Short() {
		race = []string{"-race"}
	}
	old, err := build(tree, race...)
	if err != nil {
		t.Fatal(err)
	}
	return old
}

// eachOf does something for n users, some at a time.
func eachOf(n int, do func(i int) error) error {
	var all errgroup.Group
	all.SetLimit(8)
	for i := range n {
		all.Go(func() error { return do(i) })
	}
	return all.Wait()
}

func resident(i int) string { return fmt.Sprintf("resident/%d", i) }

func residentDocument(i, version int) string {
	return fmt.Sprintf(`{"user":%d,  "version":%d, "z":1.50,"a":-0e1}`, i, version)
}

// residentWrite is one of the writes before the upgrade; each has a key of its own.
func residentWrite(i, version int) call {
	return call{
		method: http.MethodPut, path: settingsOf(resident(i)), body: residentDocument(i, version),
		header: []string{isJSON, fmt.Sprintf("Idempotency-Key: %d-%d", i, version)},
	}
}

// remembers returns an error unless a resident has everything that was written before the upgrade,
// the first answer to each write included.
func (s *system) remembers(base string, i int) error {
	user := resident(i)
	if err := s.has(base, user, residentVersions, residentDocument(i, residentVersions)); err != nil {
		return err
	}
	actions, err := s.actions(base, user, residentVersions)
	if err != nil || !slices.Equal(actions, []string{"replace", "replace", "replace"}) {
		return fmt.Errorf("%s has the history %q: %w", user, actions, err)
	}
	for v := 1; v <= residentVersions; v++ {
		past, err := s.want(base, call{method: http.MethodGet, path: versionOf(user, int64(v))},
			http.StatusOK, int64(v))
		if err != nil || past.body != residentDocument(i, v) {
			return fmt.Errorf("version %d of %s: %v %w", v, user, past, err)
		}
		repeated, err := s.want(base, residentWrite(i, v), http.StatusOK, int64(v))
		if err != nil || repeated.header.Get("Idempotency-Replayed") != "true" {
			return fmt.Errorf("write %d of %s, repeated: %v %v %w", v, user, repeated,
				repeated.header, err)
		}
	}
	return nil
}

// goesOn changes what was written before the upgrade.
func (s *system) goesOn(base string, i int) error {
	at := settingsOf(resident(i))
	_, stale := s.want(base, call{
		method: http.MethodDelete, path: at, header: []string{`If-Match: "2"`},
	}, http.StatusPreconditionFailed, residentVersions)
	_, patch := s.want(base, call{
		method: http.MethodPatch, path: at, body: `{"version":4}`,
		header: []string{isMerge, `If-Match: "3"`},
	}, http.StatusOK, 4)
	_, restore := s.want(base, call{
		method: http.MethodPost, path: versionOf(resident(i), 1) + "/restore",
	}, http.StatusOK, 5)
	return errors.Join(stale, patch, restore, s.has(base, resident(i), 5, residentDocument(i, 1)))
}
