package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestCompareAndSetLosesNoIncrement has clients race to count up, and compares the numbers, the
// versions and the history with the increments that were acknowledged.
func TestCompareAndSetLosesNoIncrement(t *testing.T) {
	t.Parallel()
	const (
		racers = 12
		users  = 3
	)
	each := short(10, 25)
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	s.newWorker()
	s.newWorker()
	bases := []string{s.newAPI(), s.newAPI()}
	start := time.Now()
	var (
		won     [users]atomic.Int64
		refused atomic.Int64
		all     errgroup.Group
	)
	for i := range racers {
		all.Go(func() error {
			for range each {
				n := rand.N(users)
				lost, err := s.countUp(bases, "counter "+strconv.Itoa(n),
					fmt.Sprint(i, " ", won[n].Load(), rand.Uint64()))
				if err != nil {
					return err
				}
				refused.Add(lost)
				won[n].Add(1)
			}
			return nil
		})
	}
	s.do(all.Wait())
	for n := range won {
		user, count := "counter "+strconv.Itoa(n), won[n].Load()
		s.do(s.has(bases[n%2], user, count, fmt.Sprintf(`{"n":%d}`, count)))
		actions, err := s.actions(bases[n%2], user, count)
		s.do(err)
		if int64(len(actions)) != count {
			t.Errorf("%s: %d versions in the history, want %d", user, len(actions), count)
		}
	}
	t.Logf("%d increments by %d clients, %d lost a race first: %v", racers*each, racers,
		refused.Load(), time.Since(start).Round(time.Millisecond))
}

// countUp adds one to the user's number, and returns how often somebody else was faster. It starts
// from what a read returns, or from what the refusal tells.
func (s *system) countUp(bases []string, user, key string) (refused int64, err error) {
	base := func() string { return bases[rand.N(len(bases))] }
	a, err := s.want(base(), call{method: http.MethodGet, path: settingsOf(user)}, http.StatusOK,
		-1)
	for ; err == nil; refused++ {
		current := a.body
		if a.status == http.StatusPreconditionFailed && rand.N(2) == 0 {
			var told struct{ Settings json.RawMessage }
			if err := json.Unmarshal([]byte(a.body), &told); err != nil {
				return refused, err
			}
			current = string(told.Settings)
		} else if a.status == http.StatusPreconditionFailed {
			if a, err = s.want(base(), call{method: http.MethodGet, path: settingsOf(user)},
				http.StatusOK, -1); err != nil {
				return refused, err
			}
			current = a.body
		}
		var counter struct{ N int64 }
		if err := json.Unmarshal([]byte(current), &counter); err != nil {
			return refused, fmt.Errorf("%s: %w: %v", user, err, a)
		}
		if a.header.Get("ETag") != tag(counter.N) {
			return refused, fmt.Errorf("%s has %d at %s", user, counter.N, a.header.Get("ETag"))
		}
		c := call{
			method: http.MethodPut, path: settingsOf(user), body: fmt.Sprintf(`{"n":%d}`, counter.N+1),
			header: []string{
				isJSON, "If-Match: " + tag(counter.N), fmt.Sprintf("Idempotency-Key: %q", key),
			},
		}
		if a, err = s.send(base(), c); err != nil || a.status == http.StatusPreconditionFailed {
			continue
		}
		if a.status != http.StatusOK || a.header.Get("ETag") != tag(counter.N+1) {
			return refused, fmt.Errorf("%s: %v after %s", user, a, tag(counter.N))
		}
		if rand.N(2) == 0 { // others may have counted on by now
			again, err := s.want(base(), c, http.StatusOK, counter.N+1)
			if err == nil && (again.body != a.body ||
				again.header.Get("Idempotency-Replayed") != "true") {
				err = fmt.Errorf("%s: the repetition was answered %v %v", user, again, again.header)
			}
			return refused, err
		}
		return refused, nil
	}
	return refused, err
}
