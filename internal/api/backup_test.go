package api_test

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/localpg"
)

// postgres runs one of Postgres's programs.
func postgres(t *testing.T, program string, arguments ...string) {
	t.Helper()
	bin, err := localpg.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), filepath.Join(bin, program), arguments...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
}

// TestRestoredBackup: versions whose numbers are given again after a backup was restored have other
// entity tags, and whoever knew the old ones learns of the new ones. Nobody has to do anything.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	s := newSystem(t, often())
	s.tags.asSent = true
	s.startWorker()
	const path = "/user/42/settings"
	put := func(document string) (tag string) {
		t.Helper()
		a := s.do(http.MethodPut, path, document, isJSON)
		if a.status != http.StatusOK {
			t.Fatalf("PUT %s: %+v", document, a)
		}
		return a.tag
	}
	first := put(`{"n":1}`)
	watcher := s.watch(t, "/user/42/events?include=settings")
	seen := func(document string) {
		t.Helper()
		for {
			e, ok := watcher.next()
			if !ok {
				t.Fatalf("in vain waited for %s", document)
			}
			if strings.HasSuffix(e.data, `"settings":`+document+"}") {
				return
			}
		}
	}
	seen(`{"n":1}`)
	dump := filepath.Join(t.TempDir(), "outset.dump")
	postgres(t, "pg_dump", "-Fc", "-f", dump, s.database)
	second, third := put(`{"n":2}`), put(`{"n":3}`)
	seen(`{"n":3}`)
	effective := s.do(http.MethodGet, path+"?effective=true", "").tag

	postgres(t, "pg_restore", "--clean", "--if-exists", "--single-transaction", "-d", s.database, dump)
	if a := s.do(http.MethodGet, path, "", "If-None-Match: "+first); a.status != http.StatusNotModified {
		t.Errorf("what the backup has: %+v", a)
	}
	again, anew := put(`{"other":2}`), put(`{"other":3}`)
	seen(`{"other":3}`) // it had a version 3 already
	for old, now := range map[string]string{second: again, third: anew} {
		if old == now {
			t.Errorf("%s names two versions", old)
		}
		if a := s.do(http.MethodGet, path, "", "If-None-Match: "+old); a.status != http.StatusOK ||
			a.body != `{"other":3}` {
			t.Errorf("If-None-Match: %s: %+v", old, a)
		}
		if a := s.do(http.MethodPut, path, `{}`, isJSON, "If-Match: "+old); !isProblemOf(a,
			"precondition-failed") {
			t.Errorf("If-Match: %s: %+v", old, a)
		}
	}
	if a := s.do(http.MethodGet, path+"?effective=true", "", "If-None-Match: "+effective); a.status != http.StatusOK {
		t.Errorf("the effective document: %+v", a)
	}
	// A stream that begins where the old version 3 was is told of the new one.
	id := strings.Trim(third, `"`)
	if e, ok := s.watch(t, "/user/42/events", "Last-Event-ID: "+id).next(); !ok ||
		!strings.HasPrefix(e.data, `{"version":3,`) {
		t.Errorf("after event %s: %+v", id, e)
	}
	if a := s.do(http.MethodPut, path, `{}`, isJSON, "If-Match: "+anew); a.status != http.StatusOK {
		t.Errorf("the current tag: %+v", a)
	}
}
