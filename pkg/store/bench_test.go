package store_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
	"github.com/outset-settings/outset/pkg/store"
)

// The benchmarks measure operations, not batches. Postgres keeps its data in memory and flushes
// nothing.
const benchUsers = 20_000

var batchSizes = []int{1, 16, 64, 256}

// benchStore has users with documents of 400 bytes.
func benchStore(b *testing.B) *store.Store {
	b.Helper()
	s, url := open(b)
	conn := connect(b, url)
	for _, sql := range []string{
		`insert into settings (user_id, version, document, updated_at)
		 select 'user' || n, 1, ('{"note":"' || repeat('-', 380) || '"}')::json, now()
		 from generate_series(0, $1::int - 1) as n`,
		`insert into settings_log (user_id, version, operation_id, fingerprint, operation, created,
		                           document, size, applied_at)
		 select 'user' || n, 1, gen_random_uuid()::text, '', 'replace', false,
		        ('{"note":"' || repeat('-', 380) || '"}')::json, 391, now()
		 from generate_series(0, $1::int - 1) as n`,
	} {
		if _, err := conn.Exec(b.Context(), sql, benchUsers); err != nil {
			b.Fatal(err)
		}
	}
	exec(b, conn, `vacuum (analyze)`)
	return s
}

// perOperation runs do with batches of each size, as often as it takes for b.N operations.
func perOperation(b *testing.B, do func(b *testing.B, size int)) {
	for _, size := range batchSizes {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.ReportAllocs()
			for done := 0; done < b.N; done += size {
				do(b, size)
			}
		})
	}
}

func someUser() string { return "user" + strconv.Itoa(rand.IntN(benchUsers)) }

func BenchmarkRead(b *testing.B) {
	s := benchStore(b)
	perOperation(b, func(b *testing.B, size int) {
		reads := make([]store.Read, size)
		for i := range reads {
			reads[i].User = someUser()
		}
		if _, err := s.Read(b.Context(), reads); err != nil {
			b.Fatal(err)
		}
	})
}

// benchWrites applies writes that differ in their ids.
func benchWrites(b *testing.B, user func() string, newWrite func(user string) store.Write) {
	s := benchStore(b)
	n := 0
	perOperation(b, func(b *testing.B, size int) {
		writes := make([]store.Write, size)
		for i := range writes {
			n++
			writes[i] = newWrite(user())
			// In the order of time, as the API makes them.
			writes[i].ID, writes[i].Fingerprint = fmt.Sprintf("bench-%012d", n), []byte{}
		}
		for _, w := range s.Write(b.Context(), writes) {
			if w.Err != nil {
				b.Fatal(w.Err)
			}
		}
	})
}

func BenchmarkReplace(b *testing.B) {
	benchWrites(b, someUser, replaceWhole)
}

// BenchmarkFirstSave replaces the documents of users who have none yet.
func BenchmarkFirstSave(b *testing.B) {
	benchWrites(b, func() string { return fmt.Sprintf("new%016x", rand.Uint64()) }, replaceWhole)
}

var wholeDocument = fmt.Appendf(nil, `{"note":"%380d"}`, 1)

func replaceWhole(user string) store.Write {
	return store.Write{User: user, Operation: "replace", Replace: wholeDocument}
}

func BenchmarkMergePatch(b *testing.B) {
	change, err := settings.DefaultLimits.MergePatch([]byte(`{"counter":1}`))
	if err != nil {
		b.Fatal(err)
	}
	benchWrites(b, someUser, func(user string) store.Write {
		return store.Write{User: user, Operation: "merge-patch", Change: change}
	})
}

// BenchmarkList measures parts of a listing, not users: 500 users with documents, 500 without, and
// a part without users, since none has changed.
func BenchmarkList(b *testing.B) {
	s := benchStore(b)
	for name, l := range map[string]store.List{
		"bare":  {Limit: 500, Bytes: 512 << 10},
		"whole": {Limit: 500, Bytes: 512 << 10, Whole: true},
		"since": {Limit: 500, Bytes: 512 << 10, Since: time.Now().Add(time.Hour)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				l.After = someUser()
				if _, err := s.Read(b.Context(), []store.Read{{List: &l}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
