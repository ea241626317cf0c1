package store_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// flood is one user's many writes, and behind them one write of each of some others.
const (
	flood  = 60
	others = 6
)

// floodAndOthers returns them. Each appends its user to what was computed.
func floodAndOthers(t *testing.T, computed *[]string) []store.Write {
	t.Helper()
	var writes []store.Write
	add := func(user, id string) {
		w := replace(t, user, id, `{}`)
		writes = append(writes, changing(w, func([]byte) (settings.Next, error) {
			*computed = append(*computed, user)
			return settings.Next{Document: []byte(`{}`)}, nil
		}))
	}
	for n := range flood {
		add("gina", fmt.Sprint(n))
	}
	for n := range others {
		add(fmt.Sprint("other", n), "1")
	}
	return writes
}

// TestTurns: a batch computes the first write of each user first, then the second.
func TestTurns(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	var computed []string
	written := write(t, s, floodAndOthers(t, &computed)...)
	want := []string{"gina", "other0", "other1", "other2", "other3", "other4", "other5", "gina"}
	if !slices.Equal(computed[:len(want)], want) {
		t.Errorf("computed in the order %q", computed)
	}
	for n, w := range written[:flood] {
		if w.Version != int64(n+1) {
			t.Errorf("write %d of one user made version %d", n, w.Version)
		}
	}
	checkLog(t, connect(t, url))
}

// TestTurnsOfTransactions: where each transaction has time for a single write, each user has one
// before anybody has two, and its outcome is told before the next transaction.
func TestTurnsOfTransactions(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	s, conn := openWith(t, url, store.Timeouts{Computing: -1}), connect(t, url)
	var computed []string
	var told []int
	writes := floodAndOthers(t, &computed)
	s.WriteInParts(t.Context(), writes, func(part []int, outcomes []store.Written) {
		for _, i := range part {
			if outcomes[i].Err != nil {
				t.Errorf("write %d: %v", i, outcomes[i].Err)
			}
			if user := writes[i].User; user != computed[len(computed)-1] {
				t.Errorf("write %d, of %s, is told of after %q", i, user, computed)
			}
		}
		told = append(told, part...)
	})
	slices.Sort(told)
	if len(told) != len(writes) || len(slices.Compact(told)) != len(writes) {
		t.Errorf("of %d writes these were told of: %v", len(writes), told)
	}
	var transactions, late int
	err := conn.QueryRow(t.Context(), `
		select count(distinct xmin::text), count(*) filter (
		           where user_id <> 'gina' and applied_at > (
		               select applied_at
		               from settings_log
		               where user_id = 'gina' and version = 2))
		from settings_log`).Scan(&transactions, &late)
	if err != nil || transactions != flood+others || late != 0 {
		t.Errorf("%d transactions, %d users after the second write of another; %v", transactions,
			late, err)
	}
	checkLog(t, conn)
}
