package store_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// model is a user's settings by the rules alone: every version since the last erasure with its
// document, "" for none.
type model struct {
	version, erased, pruned int64
	documents               map[int64]string         // but for those that were dropped
	first                   map[string]store.Written // answers, by operation id
	written                 map[int64]int64          // bytes of all since the erasure, up to this one
	own                     map[int64]int64          // the version that has this one's document
	dropped                 int64                    // the newest version of which it was dropped
	look                    bool                     // it is time to look for what to drop
}

// next is the document that the write should make, or false if it should be refused.
func (m *model) next(w store.Write) (string, bool) {
	now := m.documents[m.version]
	switch {
	case w.Restore > 0:
		d, ok := m.documents[w.Restore]
		return d, ok
	case w.Operation == "wrap" && now == "":
		return `{"was":{}}`, true
	case w.Operation == "wrap":
		return fmt.Sprintf(`{"was":%s}`, now), true
	case w.Operation == "replace":
		return string(w.Fingerprint), true
	default: // there must have been something
		return "", m.version > 0
	}
}

func (m *model) apply(id string, w store.Written, document string, erase bool, step int64) {
	was, before := m.documents[m.version], m.written[m.version]
	if erase {
		before = 0
	}
	m.version++
	hundred := m.version - m.version%store.SharedVersions
	m.written[m.version] = before + store.VersionOverhead
	if len(document) >= store.SharedBytes && document == was && m.version != hundred &&
		m.dropped < max(hundred, 1) {
		m.own[m.version] = m.own[m.version-1]
	} else {
		m.own[m.version] = m.version
		m.written[m.version] += int64(len(document))
	}
	m.look = m.look || m.written[m.version]/step > before/step
	if erase {
		m.erased, m.documents = m.version, map[int64]string{}
		// of erasures they stay
		maps.DeleteFunc(m.first, func(id string, _ store.Written) bool { return id[0] != 'e' })
	} else {
		m.documents[m.version] = document
	}
	m.first[id] = w
}

// drop drops the oldest documents if it is time to look.
func (m *model) drop(budget, step int64) {
	if !m.look {
		return
	}
	m.look = false
	gone := func(v int64) bool {
		return v > m.erased && v > m.pruned && v < m.version &&
			m.written[m.version]-m.written[v-1] > budget-step
	}
	for v, is := range m.documents {
		if gone(v) {
			m.dropped = max(m.dropped, v)
		}
		if is != "" && v < m.version && gone(m.own[v]) {
			delete(m.documents, v)
		}
	}
	for id, w := range m.first {
		if _, ok := m.documents[w.Version]; !ok && !w.Absent {
			w.Document = store.Document{Version: w.Version, Dropped: true, Modified: w.Modified}
			m.first[id] = w
		}
	}
}

// prune forgets all but the last versions.
func (m *model) prune(versions int64) {
	pruned := max(m.pruned, m.version-versions, m.erased)
	if own, ok := m.own[pruned+1], m.documents[pruned+1] != ""; ok && own <= pruned {
		pruned = max(own-1, m.pruned) // a version that stays has the document of this one
	}
	m.pruned = pruned
	maps.DeleteFunc(m.documents, func(v int64, _ string) bool { return v <= m.pruned })
	maps.DeleteFunc(m.first, func(_ string, w store.Written) bool { return w.Version <= m.pruned })
}

// TestModel: batches of random writes of every kind, repetitions among them, have the outcomes, the
// documents and the histories of the model, while the history is pruned and documents are dropped.
func TestModel(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	const batches, users = 150, 3
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	budget := []int64{3_000, 20_000, 1 << 30}[random.IntN(3)]
	s.LimitHistory(budget)
	t.Logf("a budget of %d bytes", budget)
	models := map[string]*model{}
	for u := range users {
		models[fmt.Sprint("user", u)] = &model{
			documents: map[int64]string{}, first: map[string]store.Written{},
			written: map[int64]int64{}, own: map[int64]int64{},
		}
	}
	large := fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", store.SharedBytes))
	var all []store.Write
	for n := range batches {
		var batch []store.Write
		for i := range 1 + random.IntN(12) {
			if len(all) > 0 && random.IntN(4) == 0 { // again
				batch = append(batch, all[max(0, len(all)-1-random.IntN(20))])
				continue
			}
			user, id := fmt.Sprint("user", random.IntN(users)), fmt.Sprint(n, "/", i)
			w := []store.Write{
				replace(t, user, "r"+id, fmt.Sprintf(`{"n":%d}`, n)),
				wrap(user, "w"+id), remove(user, "d"+id),
				restore(user, "v"+id, max(1, models[user].version-2+random.Int64N(8))),
				restore(user, "v"+id, 1+random.Int64N(models[user].version+1)),
				erase(user, "e"+id), replace(t, user, "x"+id, `{}`), wrap(user, "y"+id),
				replace(t, user, "s"+id, large), replace(t, user, "t"+id, large),
				restore(user, "v"+id, max(1, models[user].version)),
			}[random.IntN(11)]
			w.Keyed = random.IntN(2) == 0
			batch, all = append(batch, w), append(all, w)
		}
		for i, got := range s.Write(t.Context(), batch) {
			w := batch[i]
			m := models[w.User]
			what := fmt.Sprintf("batch %d, write %d, %s of %s", n, i, w.ID, w.User)
			if first, ok := m.first[w.ID]; ok {
				isReplay(t, what, got, first)
				continue
			}
			document, ok := m.next(w)
			if !ok {
				if !errors.Is(got.Err, settings.ErrNotFound) {
					t.Errorf("%s: %+v, want it refused", what, got)
				}
				continue
			}
			if got.Err != nil || got.Replayed {
				t.Fatalf("%s: %+v", what, got)
			}
			isDocument(t, what, got.Document, m.version+1, document)
			m.apply(w.ID, got, document, w.Erase, s.Step())
		}
		for user, m := range models {
			m.drop(budget, s.Step())
			check(t, s, user, m.version, m.documents[m.version])
			var versions []int64
			for v := m.version; v > max(m.erased, m.pruned); v-- {
				versions = append(versions, v)
				is, ok := m.documents[v]
				hasDocument(t, s, user, v, is, ok)
			}
			hasVersions(t, s, user, versions...)
		}
		if random.IntN(30) == 0 {
			prune(t, s, conn, store.Retention{Versions: 5})
			for _, m := range models {
				m.prune(5)
			}
		}
		if t.Failed() {
			return
		}
	}
	checkPrunedLog(t, conn)
}

// hasDocument fails the test unless the history lists the version, and has its document only if it
// should.
func hasDocument(t *testing.T, s *store.Store, user string, version int64, is string, has bool) {
	t.Helper()
	found := read(t, s, store.Read{User: user, Version: version},
		store.Read{User: user, History: &store.Page{Below: version + 1, Limit: 1}})
	was, entries := found[0], found[1].Entries
	if len(entries) != 1 || entries[0].Version != version || entries[0].Dropped == has {
		t.Errorf("%s: listed as %+v, want version %d, dropped: %v", user, entries, version, !has)
	}
	switch {
	case has:
		isDocument(t, fmt.Sprintf("version %d of %s", version, user), was.Document, version, is)
	case !errors.Is(was.Err, settings.ErrNotFound):
		t.Errorf("version %d of %s, which was dropped: %+v", version, user, was)
	}
}
