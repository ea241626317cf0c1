package store_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// model is a user's settings by the rules alone: every version since the last erasure with its
// document, "" for none.
type model struct {
	version, erased int64
	documents       map[int64]string
	first           map[string]store.Written // answers, by operation id
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
	default:
		return "", true
	}
}

func (m *model) apply(id string, w store.Written, document string, erase bool) {
	m.version++
	if erase {
		m.erased, m.documents = m.version, map[int64]string{}
		// of erasures they stay
		maps.DeleteFunc(m.first, func(id string, _ store.Written) bool { return id[0] != 'e' })
	} else {
		m.documents[m.version] = document
	}
	m.first[id] = w
}

// TestModel: batches of random writes of every kind, repetitions among them, have the outcomes, the
// documents and the histories of the model.
func TestModel(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	const batches, users = 150, 3
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	models := map[string]*model{}
	for u := range users {
		models[fmt.Sprint("user", u)] = &model{
			documents: map[int64]string{}, first: map[string]store.Written{},
		}
	}
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
			}[random.IntN(8)]
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
			m.apply(w.ID, got, document, w.Erase)
		}
		for user, m := range models {
			check(t, s, user, m.version, m.documents[m.version])
			var versions []int64
			for v := m.version; v > m.erased; v-- {
				versions = append(versions, v)
			}
			hasVersions(t, s, user, versions...)
		}
		if t.Failed() {
			return
		}
	}
	checkLog(t, connect(t, url))
}
