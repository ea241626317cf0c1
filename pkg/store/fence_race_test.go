package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// attempts is a write that is sent several times, and what came of that.
type attempts struct {
	write                     store.Write
	left                      int // attempts that are still to be sent
	applied, replayed, fenced int
}

// TestFenceRaces: several workers get the attempts at random writes in any order: an attempt comes
// before its repetitions, in the same batch, at the same time or long after them, while documents
// come and go. What was fenced is never applied, and what was applied is applied once.
func TestFenceRaces(t *testing.T) {
	t.Parallel()
	first, url := open(t)
	workers := []*store.Store{first, reopen(t, url), reopen(t, url)}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	var all, open []*attempts
	for n := range rounds {
		for i := range 8 {
			w := someWrite(t, random, fmt.Sprint(n, "/", i))
			a := &attempts{write: w, left: 1 + random.IntN(4)}
			all, open = append(all, a), append(open, a)
		}
		sendAll(t, random, workers, open)
		rest := open[:0]
		for _, a := range open {
			if a.left > 0 {
				rest = append(rest, a)
			}
		}
		open = rest
	}
	conn := connect(t, url)
	checkLog(t, conn)
	fenced, lateOnes := 0, 0
	for _, a := range all {
		logged := count(t, conn, `select count(*) from settings_log where user_id = $1 and
			operation_id = $2`, a.write.User, a.write.ID)
		if a.applied != logged || a.fenced > 0 && logged > 0 || a.replayed > 0 && logged == 0 {
			t.Errorf("%s of %s: applied %d times, replayed %d, fenced %d; %d times in the log",
				a.write.ID, a.write.User, a.applied, a.replayed, a.fenced, logged)
		}
		if a.fenced > 0 {
			fenced++
		}
		if a.replayed > 0 {
			lateOnes++
		}
	}
	t.Logf("%d writes: %d were fenced, %d repeated after they were applied", len(all), fenced,
		lateOnes)
	if fenced == 0 || lateOnes == 0 {
		t.Error("nothing was fenced, or nothing repeated")
	}
}

// someWrite is one of those that succeed or fail depending on what is there.
func someWrite(t *testing.T, random *rand.Rand, id string) store.Write {
	user := fmt.Sprint("user", random.IntN(4))
	whatever := &settings.Versions{Any: true}
	document := fmt.Sprintf(`{"n":%q}`, id)
	w := []store.Write{
		onlyIf(replace(t, user, id, document), settings.Condition{NoneMatch: whatever}),
		onlyIf(replace(t, user, id, document), settings.Condition{Match: whatever}),
		onlyIf(remove(user, id), settings.Condition{Match: whatever}),
		replace(t, user, id, document),
		remove(user, id),
	}[random.IntN(5)]
	return issued(w, time.Now())
}

// sendAll sends some of the attempts that are left, in batches to all workers at once.
func sendAll(
	t *testing.T, random *rand.Rand, workers []*store.Store, open []*attempts,
) {
	var next []*attempts
	for _, a := range open {
		for a.left > 0 && random.IntN(3) > 0 {
			next = append(next, a)
			a.left--
		}
	}
	random.Shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
	batches := make([][]store.Write, len(workers))
	of := make([][]*attempts, len(workers))
	for _, a := range next {
		n, w := random.IntN(len(workers)), a.write
		w.Again = random.IntN(3) > 0 // the first attempt may come last
		batches[n], of[n] = append(batches[n], w), append(of[n], a)
	}
	written := make([][]store.Written, len(workers))
	var sending sync.WaitGroup
	for n, s := range workers {
		sending.Go(func() { written[n] = s.Write(t.Context(), batches[n]) })
	}
	sending.Wait()
	for n := range workers {
		for i, got := range written[n] {
			switch a := of[n][i]; {
			case got.Fenced:
				a.fenced++
			case got.Replayed:
				a.replayed++
			case got.Err == nil:
				a.applied++
			}
		}
	}
}
