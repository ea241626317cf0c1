package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestConcurrentPatchesAllApply has hundreds of clients add a key each to one user's document, all
// at once. No patch may undo another, and each gets a version of its own.
func TestConcurrentPatchesAllApply(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	workers := []*program{s.newWorker(), s.newWorker()}
	patches := short(400, 1000)
	bases := []string{s.newAPI(), s.newAPI()}

	start := time.Now()
	versions := make([]int64, patches)
	all, ctxAll := errgroup.WithContext(ctx)
	for i := range patches {
		all.Go(func() (err error) {
			versions[i], _, err = s.patch(ctxAll, bases[i%2], "undisturbed", i, false)
			return err
		})
	}
	s.do(all.Wait())
	t.Logf("%d patches of one document at once, by 2 workers: %v", patches,
		time.Since(start).Round(time.Millisecond))
	s.do(s.patched(bases, "undisturbed", versions))

	// The same with a few at a time, so that there is a middle in which a worker can be killed.
	var (
		done, repeated atomic.Int64
		killed         = make(chan int64, 1)
	)
	start = time.Now()
	all, ctxAll = errgroup.WithContext(ctx)
	all.SetLimit(64 + 1)
	all.Go(func() error {
		if err := waitFor(ctxAll, "a third of the patches", func(context.Context) error {
			if n := done.Load(); n < int64(patches)/3 {
				return fmt.Errorf("%d are done", n)
			}
			return nil
		}); err != nil {
			return err
		}
		killed <- done.Load()
		workers[0].kill()
		return nil
	})
	for i := range patches {
		all.Go(func() error {
			version, again, err := s.patch(ctxAll, bases[i%2], "disturbed", i, true)
			versions[i] = version
			repeated.Add(again)
			done.Add(1)
			return err
		})
	}
	s.do(all.Wait())
	at := <-killed
	t.Logf("the same with a worker killed after %d: %v, %d requests repeated", at,
		time.Since(start).Round(time.Millisecond), repeated.Load())
	if at >= int64(patches) {
		t.Error("the worker was killed too late to disturb anyone")
	}
	s.newWorker()
	s.do(s.patched(bases, "disturbed", versions))
}

func keyOf(i int) string { return "key-" + strconv.Itoa(i) }

// patch adds the i-th key and returns the version that it made. If it may, it repeats a request
// that was not done or whose outcome is unknown.
func (s *system) patch(
	ctx context.Context, base, user string, i int, mayRepeat bool,
) (version, repeated int64, err error) {
	c := call{
		method: http.MethodPatch, path: settingsOf(user), body: fmt.Sprintf(`{%q:%d}`, keyOf(i), i),
		header: []string{isMerge, "Idempotency-Key: " + keyOf(i)},
	}
	for ; ; repeated++ {
		a, err := s.send(base, c)
		if err != nil {
			return 0, repeated, err
		}
		switch a.status {
		case http.StatusOK:
		case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			if mayRepeat {
				select {
				case <-time.After(rand.N(100 * time.Millisecond)):
					continue
				case <-ctx.Done():
				}
			}
			fallthrough
		default:
			return 0, repeated, fmt.Errorf("patch %d: %v", i, a)
		}
		var document map[string]int
		if err := json.Unmarshal([]byte(a.body), &document); err != nil {
			return 0, repeated, fmt.Errorf("patch %d: %w: %v", i, err, a)
		}
		if _, err = fmt.Sscanf(a.header.Get("ETag"), `"%d"`, &version); err != nil ||
			int64(len(document)) != version || document[keyOf(i)] != i {
			return 0, repeated, fmt.Errorf("patch %d: a document of %d keys at version %s", i,
				len(document), a.header.Get("ETag"))
		}
		return version, repeated, nil
	}
}

// patched checks what the patches left: each has a version of its own, and version v of the
// document has the v keys of those up to v.
func (s *system) patched(bases []string, user string, versions []int64) error {
	patches := int64(len(versions))
	patchOf := make([]int, patches+1) // version → patch
	for i, v := range versions {
		if v < 1 || v > patches || patchOf[v] != 0 {
			return fmt.Errorf("%s: patch %d got version %d, which is another's or none", user, i, v)
		}
		patchOf[v] = i + 1
	}
	actions, err := s.actions(bases[0], user, patches)
	if err != nil {
		return err
	}
	if int64(len(actions)) != patches || slices.ContainsFunc(actions,
		func(action string) bool { return action != "merge-patch" }) {
		return fmt.Errorf("%s: the history has %d versions, made by %q", user, len(actions),
			slices.Compact(actions))
	}
	if _, err := s.want(bases[1], call{method: http.MethodGet, path: settingsOf(user)},
		http.StatusOK, patches); err != nil {
		return err
	}
	var all errgroup.Group
	all.SetLimit(16)
	for v := int64(1); v <= patches; v += 37 {
		all.Go(func() error { return s.hasKeys(bases[v%2], user, v, patchOf[1:v+1]) })
	}
	all.Go(func() error { return s.hasKeys(bases[0], user, patches, patchOf[1:]) })
	return errors.Join(all.Wait())
}

// hasKeys returns an error unless the version has what these patches (from 1 on) put, and nothing
// else.
func (s *system) hasKeys(base, user string, version int64, put []int) error {
	a, err := s.want(base, call{method: http.MethodGet, path: versionOf(user, version)},
		http.StatusOK, version)
	if err != nil {
		return err
	}
	var document map[string]int
	if err := json.Unmarshal([]byte(a.body), &document); err != nil {
		return err
	}
	for _, i := range put {
		if got, ok := document[keyOf(i-1)]; !ok || got != i-1 {
			return fmt.Errorf("%s: version %d lost patch %d", user, version, i-1)
		}
	}
	if len(document) != len(put) {
		return fmt.Errorf("%s: version %d has %d keys, want %d", user, version, len(document),
			len(put))
	}
	return nil
}
