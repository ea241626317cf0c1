package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

func TestReadAndWrite(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	check(t, s, "nobody", 0, "")

	document := " {\"b\":1.10,\n\"a\":9007199254740993,\"c\":\"\\u0000\"} "
	written := s.Write(t.Context(), []store.Write{
		replace(t, "日本", "1", document),
		replace(t, "' or 1=1 --", "1", `{"x":"y"}`),
		replace(t, "ann@example.org", "1", `{"x":1}`),
	})
	for i, w := range written {
		if w.Err != nil || w.Version != 1 || w.Replayed {
			t.Errorf("write %d: %+v", i, w)
		}
	}
	check(t, s, "日本", 1, document)
	check(t, s, "' or 1=1 --", 1, `{"x":"y"}`)

	got, err := s.Read(t.Context(), current("ann@example.org", "nobody", "ann@example.org"))
	if err != nil || len(got) != 3 || string(got[0].Bytes) != `{"x":1}` ||
		string(got[1].Bytes) != `{}` || string(got[2].Bytes) != `{"x":1}` {
		t.Errorf("read %v, %v", got, err)
	}
	checkLog(t, connect(t, url))
}

// TestSameUserInOneBatch: writes of one user are applied in the order given, each with its own
// version.
func TestSameUserInOneBatch(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	var writes []store.Write
	for i := range 10 {
		writes = append(writes, replace(t, "ann", fmt.Sprint("a", i), fmt.Sprintf(`{"a":%d}`, i)))
		writes = append(writes, replace(t, "bob", fmt.Sprint("b", i), fmt.Sprintf(`{"b":%d}`, i)))
	}
	for i, w := range s.Write(t.Context(), writes) {
		if w.Err != nil || w.Version != int64(i/2+1) {
			t.Errorf("write %d: %+v", i, w)
		}
	}
	check(t, s, "ann", 10, `{"a":9}`)
	check(t, s, "bob", 10, `{"b":9}`)
	checkLog(t, connect(t, url))
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	late, early := replace(t, "ann", "1", `{}`), replace(t, "ann", "2", `{"n":1}`)
	late.Deadline = time.Now().Add(-time.Second)
	early.Deadline = time.Now().Add(time.Hour)
	written := s.Write(t.Context(), []store.Write{late, early})
	if !errors.Is(written[0].Err, store.ErrExpired) {
		t.Errorf("after its deadline: %+v", written[0])
	}
	if written[1].Err != nil || written[1].Version != 1 {
		t.Errorf("before its deadline: %+v", written[1])
	}
	checkLog(t, connect(t, url))
}

// TestTimesBeyondPostgres: a time that Postgres can't have doesn't fail the batch. One after the
// end of its calendar is never, and one before all times has passed.
func TestTimesBeyondPostgres(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	var writes []store.Write
	for i := range 12 {
		w := replace(t, strconv.Itoa(i), "1", `{}`)
		switch i {
		case 3:
			w.Deadline = time.UnixMilli(math.MaxInt64)
		case 4:
			w.Issued = time.UnixMicro(math.MaxInt64)
		case 5:
			w.Deadline = time.UnixMilli(math.MinInt64)
		case 6: // not by the statement for replacements
			w.Deadline, w.If = time.UnixMilli(math.MaxInt64), &settings.Condition{
				NoneMatch: &settings.Versions{Any: true},
			}
		}
		writes = append(writes, w)
	}
	for i, w := range s.Write(t.Context(), writes) {
		if i == 5 && errors.Is(w.Err, store.ErrExpired) {
			continue
		}
		if w.Err != nil || w.Version != 1 {
			t.Errorf("write %d: version %d, %v", i, w.Version, w.Err)
		}
	}
}

// TestPausedPastDeadline: a worker that is stopped between locking and committing, and goes on
// after the deadline, applies nothing.
func TestPausedPastDeadline(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	writes := []store.Write{replace(t, "bob", "1", `{"n":2}`), replace(t, "ann", "1", `{"n":1}`)}
	writes[1].Deadline = time.Now().Add(time.Hour)
	writes[1] = changing(writes[1], func([]byte) (settings.Next, error) {
		writes[1].Deadline = time.Now() // so it has passed when the commit arrives
		return settings.Next{Document: []byte(`{"n":1}`)}, nil
	})
	written := s.Write(t.Context(), writes)
	if !errors.Is(written[1].Err, store.ErrExpired) {
		t.Errorf("the slow write: %+v", written[1])
	}
	if written[0].Err != nil || written[0].Version != 1 {
		t.Errorf("its neighbour: %+v", written[0])
	}
	check(t, s, "ann", 0, "")
	check(t, s, "bob", 1, `{"n":2}`)
	checkLog(t, connect(t, url))
}

// TestBadWriteFailsAlone: a write that Postgres or a change refuses fails alone in its batch.
func TestBadWriteFailsAlone(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	refused := errors.New("refused")
	var writes []store.Write
	for i := range 20 {
		writes = append(writes, replace(t, fmt.Sprint("user", i), "id", `{"n":1}`))
	}
	writes[7] = changing(writes[7], func([]byte) (settings.Next, error) {
		return settings.Next{}, refused
	})
	writes[13] = changing(writes[13], func([]byte) (settings.Next, error) {
		return settings.Next{Document: []byte(`{"not json`)}, nil
	})
	for i, w := range s.Write(t.Context(), writes) {
		switch i {
		case 7:
			if !errors.Is(w.Err, refused) {
				t.Errorf("write 7: %+v", w)
			}
		case 13:
			if w.Err == nil || errors.Is(w.Err, store.ErrUnavailable) ||
				errors.Is(w.Err, store.ErrOutcomeUnknown) {
				t.Errorf("write 13: %+v", w)
			}
		default:
			if w.Err != nil || w.Version != 1 {
				t.Errorf("write %d: %+v", i, w)
			}
		}
	}
	check(t, s, "user7", 0, "")
	check(t, s, "user13", 0, "")
	checkLog(t, connect(t, url))
}

func TestBigDocuments(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	var (
		writes []store.Write
		users  []string
	)
	for i := range 64 {
		users = append(users, fmt.Sprint("user", i))
		writes = append(writes,
			replace(t, users[i], "1", `{"x":"`+strings.Repeat(string(rune('a'+i%26)), 65_000)+`"}`))
	}
	for i, w := range s.Write(t.Context(), writes) {
		if w.Err != nil {
			t.Errorf("write %d: %v", i, w.Err)
		}
	}
	got, err := s.Read(t.Context(), current(users...))
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range got {
		if !bytes.Equal(d.Bytes, writes[i].Fingerprint) {
			t.Errorf("document %d came back changed, %d bytes", i, len(d.Bytes))
		}
	}
	checkLog(t, connect(t, url))
}
