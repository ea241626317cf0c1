package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// ledger is what the clients know of one user: which writes were acknowledged, which may have been
// applied, and which cannot have been. One goroutine at a time writes for a user; any may read.
//
// The ledger numbers the documents, and each number is sent once.
type ledger struct {
	user string

	mu       sync.Mutex
	next     int           // the number of the next document
	newest   int64         // the highest version in any answer
	versions map[int64]int // version → number of its document, as answered
	// sent, version not known: the request is under way, or its answer was lost
	open  map[int]bool
	acked int
}

func newLedger(user string) *ledger {
	return &ledger{user: user, versions: make(map[int64]int), open: make(map[int]bool)}
}

// document is the document with this number, the same each time. Its spacing, order of keys and
// spelling of numbers are such that only a byte-for-byte copy survives a comparison.
func document(user string, number int) string {
	size := number % 200
	if number%50 == 49 {
		size = 12_000 // some that Postgres stores out of line and that fill a batch by their bytes
	}
	return fmt.Sprintf(`{"number":%d, "user":%q,  "z":1.50,"a":-0e1,"pad":"%s"}`, number, user, strings.Repeat("é", size/2))
}

// numberOf is the inverse of document, and fails on what isn't such a document of this user.
func numberOf(user, doc string) (int, error) {
	var number int
	if _, err := fmt.Sscanf(doc, `{"number":%d,`, &number); err != nil || document(user, number) != doc {
		return 0, fmt.Errorf("user %s: not a document that was sent: %.100s", user, doc)
	}
	return number, nil
}

// write hands out the next document, and the newest version before it.
func (l *ledger) write() (number int, before int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	number = l.next
	l.next++
	l.open[number] = true
	return number, l.newest
}

// acknowledge enters a write that was answered with a version.
func (l *ledger) acknowledge(number int, before, version int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked++
	delete(l.open, number)
	// The version is one up, and one more for each write whose answer was lost.
	if most := before + 1 + int64(len(l.open)); version <= before || version > most {
		return fmt.Errorf("user %s: a write after version %d was acknowledged as %d, at most %d is possible", l.user, before, version, most)
	}
	return l.enter(version, number)
}

// refuse enters a write that was certainly not applied.
func (l *ledger) refuse(number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, number)
}

// seen is the newest version so far: a read that starts now must see it or a later one.
func (l *ledger) seen() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

// read enters the answer to a read that started when the newest version was least.
func (l *ledger) read(least, version int64, doc string) error {
	if version < least {
		return fmt.Errorf("user %s: read version %d after version %d was known", l.user, version,
			least)
	}
	if version == 0 {
		if doc != "{}" {
			return fmt.Errorf("user %s: version 0 is %.100s", l.user, doc)
		}
		return nil
	}
	number, err := numberOf(l.user, doc)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.enter(version, number)
}

// enter notes that the version holds the document. Needs the lock.
func (l *ledger) enter(version int64, number int) error {
	known, ok := l.versions[version]
	switch {
	case ok && known != number:
		return fmt.Errorf("user %s: version %d holds document %d and document %d", l.user, version,
			known, number)
	case number >= l.next:
		return fmt.Errorf("user %s: version %d holds document %d, which was never sent", l.user,
			version, number)
	}
	l.versions[version] = number
	l.newest = max(l.newest, version)
	return nil
}

// row is a row of settings_log, or the one of settings, where the operation is empty.
type row struct {
	User      string
	Version   int64
	Operation string
	Document  string
}

// The rows are selected as JSON arrays, which psql and pgx print alike.
const (
	selectLog      = `select json_build_array(user_id, version, operation_id, document::text)::text from settings_log order by user_id, version`
	selectSettings = `select json_build_array(user_id, version, '', document::text)::text from settings where version > 0`
)

func parseRow(line string) (row, error) {
	var r row
	err := json.Unmarshal([]byte(line), &[]any{&r.User, &r.Version, &r.Operation, &r.Document})
	if err != nil {
		return r, fmt.Errorf("row %.100s: %w", line, err)
	}
	return r, nil
}

// verify compares what was answered with what is in the database: each acknowledged write is in the
// log, once, as the version that was told; versions have no gap; nothing is there that was refused
// or never sent; and the settings are the last line of the log.
func verify(ledgers map[string]*ledger, log, settings []row) error {
	var errs []error
	fail := func(format string, a ...any) {
		if len(errs) < 20 { // the first few tell enough
			errs = append(errs, fmt.Errorf(format, a...))
		}
	}
	last := make(map[string]row)
	logged := make(map[string]map[int]int64) // user → document → version
	operations := make(map[string]bool)
	for _, r := range log {
		l := ledgers[r.User]
		if l == nil {
			fail("the log has user %q, whom nobody wrote", r.User)
			continue
		}
		if r.Version != last[r.User].Version+1 {
			fail("user %s: the log goes from version %d to %d", r.User, last[r.User].Version,
				r.Version)
		}
		last[r.User] = r
		if key := r.User + " " + r.Operation; operations[key] {
			fail("user %s: operation %s is applied twice", r.User, r.Operation)
		} else {
			operations[key] = true
		}
		number, err := numberOf(r.User, r.Document)
		if err != nil {
			fail("log, version %d: %w", r.Version, err)
			continue
		}
		if logged[r.User] == nil {
			logged[r.User] = make(map[int]int64)
		}
		if v, twice := logged[r.User][number]; twice {
			fail("user %s: document %d is applied twice, as versions %d and %d", r.User, number, v,
				r.Version)
		}
		logged[r.User][number] = r.Version
		if known, ok := l.versions[r.Version]; ok && known != number {
			fail("user %s: version %d was told as document %d, the log has %d", r.User, r.Version,
				known, number)
		} else if !ok && !l.open[number] {
			fail("user %s: version %d holds document %d, which was refused or never sent", r.User,
				r.Version, number)
		}
	}
	for _, l := range ledgers {
		for version, number := range l.versions {
			if logged[l.user][number] != version {
				fail("user %s: version %d (document %d) was acknowledged or read, and is not in the log", l.user, version, number)
			}
		}
	}
	for _, r := range settings {
		want := last[r.User]
		delete(last, r.User)
		if r.Version != want.Version || r.Document != want.Document {
			fail("user %s: the settings are version %d, the last of the log is %d, or their documents differ", r.User, r.Version, want.Version)
		}
	}
	for user := range last {
		fail("user %s: in the log and not in the settings", user)
	}
	return errors.Join(errs...)
}
