package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// onlyNumbers is a schema under which every value is a number.
const onlyNumbers = `{
	"additionalProperties": {"type": "number"},
	"properties": {"size": {"default": 12}}
}`

func putSchema(id, schema string) store.Write {
	return store.Write{
		User: store.SchemaUser, ID: id, Fingerprint: []byte(schema), Operation: "put-schema",
		Change: func([]byte) (settings.Next, error) {
			return settings.Next{Document: []byte(schema)}, nil
		},
	}
}

func deleteSchema(id string) store.Write {
	return store.Write{
		User: store.SchemaUser, ID: id, Fingerprint: []byte{},
		Operation: "delete-schema", Change: settings.Delete,
	}
}

// isRefused fails the test unless each write breaks the schema, alone and together with others.
func isRefused(t *testing.T, s *store.Store, writes ...store.Write) {
	t.Helper()
	check := func(w store.Write, got store.Written) {
		var broken *schema.ViolationError
		if !errors.Is(got.Err, settings.ErrViolation) || !errors.As(got.Err, &broken) {
			t.Errorf("%s %s: %+v, want it refused", w.Operation, w.ID, got)
		}
	}
	for _, w := range writes {
		check(w, s.Write(t.Context(), []store.Write{w})[0])
	}
	for i, got := range s.Write(t.Context(), writes) {
		check(writes[i], got)
	}
}

// TestSchema: once a schema is put, exactly those writes are refused whose document would break it,
// also by a worker that has not seen the schema yet.
func TestSchema(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	other := reopen(t, url)
	write(t, other, replace(t, "ann", "1", `{"a":"text"}`), replace(t, "ann", "2", `{"a":1}`),
		replace(t, "bob", "1", `{"b":1}`))
	write(t, s, putSchema("1", onlyNumbers))
	text := func(user, id string) store.Write {
		return changing(replace(t, user, id, `{}`), func([]byte) (settings.Next, error) {
			return settings.Next{Document: []byte(`{"a":"text"}`)}, nil
		})
	}
	for _, s := range []*store.Store{other, s, reopen(t, url)} {
		isRefused(t, s,
			replace(t, "ann", "x1", `{"a":"text"}`), text("ann", "x2"), restore("ann", "x3", 1),
			replace(t, "bob", "x1", `{"a":"text"}`),
			replace(t, "new", "x1", `{"a":"text"}`), text("newer", "x1"))
	}
	check(t, s, "ann", 2, `{"a":1}`)
	write(t, other, replace(t, "ann", "3", `{"a":2}`), replace(t, "bob", "2", `{"b":3}`),
		restore("ann", "4", 2), remove("ann", "5"))
	// A write that was applied before the schema gets its first answer.
	again := write(t, other, replace(t, "ann", "1", `{"a":"text"}`))[0]
	if !again.Replayed {
		t.Errorf("the repetition of an older write: %+v", again)
	}
	// The precondition is checked before the schema.
	late := onlyIf(replace(t, "bob", "x2", `{"a":"text"}`), match(1))
	got := other.Write(t.Context(), []store.Write{late})[0]
	if !errors.Is(got.Err, settings.ErrPrecondition) {
		t.Errorf("with a precondition that doesn't hold: %+v", got)
	}

	write(t, s, deleteSchema("2"))
	for i, s := range []*store.Store{other, s} {
		write(t, s, replace(t, "ann", fmt.Sprint("free ", i), `{"a":"text"}`),
			replace(t, "bob", fmt.Sprint("free ", i), `{"a":"text"}`))
	}
	isVersioned(t, other)
}

// isVersioned fails the test unless the schema, of which two versions were written, has versions,
// conditions and repetitions as documents have.
func isVersioned(t *testing.T, s *store.Store) {
	t.Helper()
	if got := read(t, s, store.Read{User: store.SchemaUser})[0]; got.Version != 2 || !got.Absent {
		t.Errorf("the deleted schema is %+v", got)
	}
	if again := write(t, s, putSchema("1", onlyNumbers))[0]; !again.Replayed || again.Version != 1 {
		t.Errorf("the repetition: %+v", again)
	}
	got := s.Write(t.Context(), []store.Write{onlyIf(putSchema("3", `{}`), match(1))})[0]
	if !errors.Is(got.Err, settings.ErrPrecondition) || got.Version != 2 {
		t.Errorf("after another: %+v", got)
	}
	if w := write(t, s, putSchema("4", onlyNumbers))[0]; w.Version != 3 {
		t.Errorf("put again: %+v", w)
	}
}

// TestReadWithSchema: a read returns the document together with the current schema, also beside
// other reads.
func TestReadWithSchema(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	other := reopen(t, url)
	write(t, s, replace(t, "ann", "1", `{"a":1}`))
	effective := func(want string, version int64) {
		t.Helper()
		for _, s := range []*store.Store{s, other} {
			found := read(t, s, store.Read{User: "ann", Schema: true}, store.Read{User: "ann"},
				store.Read{User: "nobody", Schema: true})
			got, err := found[0].Schema.Effective(found[0].Bytes, 1000)
			if err != nil || string(got) != want || found[0].Schema.Version != version ||
				found[1].Schema != nil || found[2].Schema != found[0].Schema {
				t.Errorf("%s at %d, %v; want %s at %d", got, found[0].Schema.Version, err, want,
					version)
			}
			if found[0].Schema.Modified.IsZero() != (version == 0) {
				t.Errorf("of %v", found[0].Schema.Modified)
			}
		}
	}
	effective(`{"a":1}`, 0)
	write(t, s, putSchema("1", onlyNumbers))
	effective(`{"a":1,"size":12}`, 1)
	write(t, s, deleteSchema("2"))
	effective(`{"a":1}`, 2)
}

// TestUnreadableSchema: a schema that this program can't read stops writes and effective reads, and
// nothing else, until it is replaced.
func TestUnreadableSchema(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	write(t, s, replace(t, "ann", "1", `{}`), putSchema("1", `{"type":"quantum"}`))
	for _, w := range []store.Write{replace(t, "ann", "2", `{}`), replace(t, "new", "1", `{}`)} {
		got := s.Write(t.Context(), []store.Write{w})[0]
		if !errors.Is(got.Err, store.ErrUnavailable) {
			t.Errorf("%s: %+v", w.User, got)
		}
	}
	found := read(t, s, store.Read{User: "ann", Schema: true})[0]
	_, err := found.Schema.Effective([]byte(`{}`), 10)
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("effective: %v", err)
	}
	check(t, s, "ann", 1, `{}`)
	write(t, s, remove("ann", "3"), deleteSchema("2"))
	write(t, s, replace(t, "ann", "2", `{}`))
}

// TestSchemaHoldsAtOnce: every write that starts after a schema was acknowledged must satisfy it,
// while several workers write at that moment.
func TestSchemaHoldsAtOnce(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	const writers, rounds = 4, 25
	type moment struct {
		number int
		strict bool // the schema was acknowledged
		idle   bool // and is not being changed
	}
	var (
		now     atomic.Pointer[moment]
		checked = make(chan struct{}, 1)
		all     sync.WaitGroup
	)
	now.Store(&moment{idle: true})
	for n := range writers {
		all.Go(func() {
			s := reopen(t, url)
			for i := 0; now.Load().number < 4*rounds && t.Context().Err() == nil; i++ {
				before := now.Load()
				got := s.Write(t.Context(), []store.Write{
					replace(t, fmt.Sprint("user ", n, i%3), fmt.Sprint(i), `{"a":"text"}`),
				})[0]
				if before != now.Load() || !before.idle {
					continue
				}
				if errors.Is(got.Err, settings.ErrViolation) != before.strict {
					t.Errorf("write %d at %+v: %+v", i, before, got)
				}
				select {
				case checked <- struct{}{}:
				default:
				}
			}
		})
	}
	for n := 0; n < 4*rounds; {
		for _, w := range []store.Write{
			putSchema(fmt.Sprint("put ", n), onlyNumbers),
			deleteSchema(fmt.Sprint("delete ", n)),
		} {
			now.Store(&moment{number: n + 1})
			write(t, s, w)
			now.Store(&moment{number: n + 2, strict: w.Operation == "put-schema", idle: true})
			if n += 2; n < 4*rounds {
				<-checked // maybe at the moment before
				<-checked
			}
		}
	}
	all.Wait()
}

// TestSchemaAfterWait: a replacement waits for a row, and a schema is put meanwhile that refuses
// it. It must satisfy that schema, since the row's holder may have written under it.
func TestSchemaAfterWait(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	s := openWith(t, url, store.Timeouts{Lock: store.Patient})
	write(t, s, replace(t, "user", "1", `{"n":1}`))
	holder := connect(t, url)
	exec(t, holder, `begin`)
	exec(t, holder, `select from settings where user_id = 'user' for update`)
	written := make(chan []store.Written, 1)
	go func() { written <- s.Write(t.Context(), []store.Write{replace(t, "user", "2", `{"n":2}`)}) }()
	becomes(t, connect(t, url), lockAwaited)
	write(t, reopen(t, url), putSchema("s", `{"properties":{"n":{"maximum":1}}}`))
	exec(t, holder, `commit`)
	if w := (<-written)[0]; !errors.Is(w.Err, settings.ErrViolation) {
		t.Errorf("%+v, want a violation", w)
	}
	check(t, s, "user", 1, `{"n":1}`)
}

// TestSchemaRestored: in a database that was restored while workers go on, a version that they have
// seen may become another schema.
func TestSchemaRestored(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	write(t, s, putSchema("1", onlyNumbers))
	write(t, s, putSchema("2", `{"additionalProperties":{"type":"string"}}`))
	write(t, s, replace(t, "ann", "1", `{"a":"text"}`))
	for _, sql := range []string{
		`update settings
		 set version = 1,
		     document = (select document from settings_log where user_id = $1 and version = 1)
		 where user_id = $1`,
		`delete from settings_log where user_id = $1 and version = 2`,
	} {
		if _, err := conn.Exec(t.Context(), sql, store.SchemaUser); err != nil {
			t.Fatal(err)
		}
	}
	isRefused(t, s, replace(t, "ann", "2", `{"a":"text"}`))
	write(t, s, replace(t, "ann", "3", `{"a":3}`))
	write(t, reopen(t, url), putSchema("another 2", `{"additionalProperties":{"type":"boolean"}}`))
	isRefused(t, s, replace(t, "ann", "4", `{"a":"text"}`), replace(t, "ann", "5", `{"a":4}`))
	write(t, s, replace(t, "ann", "6", `{"a":true}`))
}

// TestRefusedAfterLost: an attempt ends without an answer, then a schema is put that refuses the
// write. The outcome stays unknown: the attempt may still be applied, under the schema before.
func TestRefusedAfterLost(t *testing.T) {
	t.Parallel()
	direct, url := open(t)
	w, address := onWire(t, url)
	s := openWith(t, address, store.Timeouts{Lock: store.Patient})
	observer := connect(t, url)
	holder := connect(t, url)
	both := func(id, document string) []store.Write {
		return []store.Write{replace(t, "a", id, document), replace(t, "b", id, document)}
	}
	write(t, s, both("first", `{}`)...)
	exec(t, holder, `begin`)
	exec(t, holder, `select from settings where user_id = 'a' for update`)
	results := make(chan []store.Written, 1)
	go func() { results <- s.Write(t.Context(), both("second", `{"x":"text"}`)) }()
	becomes(t, observer, lockAwaited)
	write(t, direct, putSchema("put", onlyNumbers))
	w.cut()
	// When a transaction waits for a's row, b has its outcome.
	becomes(t, observer, lockAwaited+` and query like '%for update%'`)
	exec(t, holder, `rollback`)
	got := (<-results)[1]
	if !errors.Is(got.Err, store.ErrOutcomeUnknown) || !errors.Is(got.Err, settings.ErrViolation) {
		t.Errorf("%+v, want an unknown outcome", got)
	}
}

// TestSchemaNeighbours: documents that take long to check against the schema don't keep small ones
// of the same batch from being written.
func TestSchemaNeighbours(t *testing.T) {
	t.Parallel()
	_, url := open(t)
	// each large one takes longer
	s := openWith(t, url, store.Timeouts{Computing: time.Millisecond})
	write(t, s, putSchema("1",
		`{"additionalProperties":{"items":{"type":["string","number"],"minimum":-5}}}`))
	var writes []store.Write
	for i := range 6 {
		writes = append(writes,
			replace(t, fmt.Sprint("user ", i), "1", `{"a":[0`+strings.Repeat(",0", 32000)+`]}`))
	}
	writes = append(writes, replace(t, "innocent", "1", `{}`))
	write(t, s, writes[len(writes)-1]) // known: it can be replaced at once
	writes[len(writes)-1] = replace(t, "innocent", "2", `{"a":[]}`)
	got := s.Write(t.Context(), writes)
	if last := got[len(got)-1]; last.Err != nil {
		t.Errorf("the small one: %v", last.Err)
	}
	for i, w := range got {
		if w.Err != nil && !errors.Is(w.Err, store.ErrUnavailable) {
			t.Errorf("write %d: %v", i, w.Err)
		}
	}
}
