package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// testTimeout bounds a whole test. Only one that fails takes as long, on a machine that is busy.
const testTimeout = 5 * time.Minute

// system is a database, a queue and whatever programs a test starts on them.
type system struct {
	t        *testing.T
	ctx      context.Context
	bin      string // the folder with the programs of this tree
	database string // for a superuser
	workers  string // the database for workers, which may not migrate it
	queue    string
	keys     string // the directory with the keys of the queue's roles
	http     *http.Client
	tags     knownTags
}

// newSystem has the tables and no program running yet.
func newSystem(ctx context.Context, t *testing.T) *system {
	t.Helper()
	s := emptySystem(ctx, t)
	s.migrate(s.bin)
	return s
}

// emptySystem has no tables yet.
func emptySystem(ctx context.Context, t *testing.T) *system {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	queue, keys := startNATS(t)
	s := &system{
		t: t, ctx: ctx, bin: programs(t), database: pgtest.ForTest(t), queue: queue, keys: keys,
		http: &http.Client{Transport: transport, Timeout: clientTimeout},
	}
	pgtest.GiveRoles(t, s.database)
	s.workers = pgtest.As(t, pgtest.Worker, s.database)
	return s
}

// migrate migrates the tables with the worker program in the folder bin.
func (s *system) migrate(bin string) {
	s.t.Helper()
	s.migrateAs(bin, pgtest.As(s.t, pgtest.Migrator, s.database))
}

// migrateAs does that as the role that a database's address names.
func (s *system) migrateAs(bin, database string) {
	s.t.Helper()
	p := startProgram(s.t, filepath.Join(bin, "worker"), []string{"DATABASE_URL=" + database}, "migrate")
	s.do(p.succeeds(s.ctx))
}

// key is the setting that makes a program one of this role.
func (s *system) key(role localnats.Role) string {
	if s.keys == "" { // the NATS server has no roles
		return "NATS_NKEY="
	}
	return "NATS_NKEY=" + localnats.KeyFile(s.keys, role)
}

// worker starts the worker program in the folder bin, and waits until it serves.
func (s *system) worker(bin string, env ...string) *program {
	s.t.Helper()
	w := startProgram(s.t, filepath.Join(bin, "worker"), append([]string{
		"NATS_URL=" + s.queue, s.key(localnats.Worker), "DATABASE_URL=" + s.workers,
		"ADMIN_ADDR=127.0.0.1:0",
	}, env...))
	s.do(w.serving(s.ctx, "admin listening"))
	return w
}

// api starts the API program in the folder bin, and waits until it can serve. A request may take a
// minute, so that no deadline decides on a busy machine.
func (s *system) api(bin string, env ...string) (a *program, base string) {
	s.t.Helper()
	a = startProgram(s.t, filepath.Join(bin, "api"), append([]string{
		"NATS_URL=" + s.queue, s.key(localnats.API), "HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0",
		"REQUEST_TIMEOUT=1m",
	}, env...))
	s.do(a.listens(s.ctx, "api listening"))
	base = "http://" + a.addr
	s.do(ready(s.ctx, base))
	return a, base
}

// newWorker and newAPI start the programs of this tree.
func (s *system) newWorker(env ...string) *program {
	s.t.Helper()
	return s.worker(s.bin, env...)
}

func (s *system) newAPI(env ...string) (base string) {
	s.t.Helper()
	_, base = s.api(s.bin, env...)
	return base
}

// verify compares what a load was answered with what is in the database.
func (s *system) verify(l *load) {
	s.t.Helper()
	ofLoad := func(sql string) []row {
		rows, err := query(s.ctx, s.database, sql)
		s.do(err)
		return slices.DeleteFunc(rows, func(r row) bool { return l.ledgers[r.User] == nil })
	}
	if err := verify(l.ledgers, ofLoad(selectLog), ofLoad(selectSettings)); err != nil {
		s.t.Error(err)
	}
}

func query(ctx context.Context, database, sql string) ([]row, error) {
	c, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(ctx) }()
	rows, err := c.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		var line string
		if err := r.Scan(&line); err != nil {
			return row{}, err
		}
		return parseRow(line)
	})
}

// do ends the test on an error.
func (s *system) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// call is an HTTP request, with its header as lines.
type call struct {
	method, path, body string
	header             []string
}

const (
	isJSON      = "Content-Type: application/json"
	isMerge     = "Content-Type: application/merge-patch+json"
	isJSONPatch = "Content-Type: application/json-patch+json"
	minimal     = "Prefer: return=minimal"
)

// answer is the answer to a call.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string {
	return fmt.Sprintf("%d %s %.300s", a.status, a.header.Get("ETag"), a.body)
}

// tag is the entity tag of a version as the tests have it, see tags_test.go.
func tag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// problem is the kind of a failure, "" if the answer has no problem details.
func (a answer) problem() string {
	var p struct{ Kind string }
	if a.header.Get("Content-Type") != "application/problem+json" ||
		json.Unmarshal([]byte(a.body), &p) != nil {
		return ""
	}
	return p.Kind
}

func (s *system) send(base string, c call) (answer, error) {
	r, err := http.NewRequestWithContext(s.ctx, c.method, base+c.path, strings.NewReader(c.body))
	if err != nil {
		return answer{}, err
	}
	r.Header = s.tags.header(c)
	got, err := s.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", c.method, c.path, err)
	}
	s.tags.answered(c, r.Header, got.StatusCode)
	s.tags.shorten(c.path, got.Header)
	return answer{got.StatusCode, got.Header, string(body)}, nil
}

// want sends a call that must have this status and, unless it is negative, this version as its
// ETag.
func (s *system) want(base string, c call, status int, version int64) (answer, error) {
	a, err := s.send(base, c)
	switch {
	case err != nil:
		return a, err
	case a.status != status || version >= 0 && a.header.Get("ETag") != tag(version):
		return a, fmt.Errorf("%s %s %v: got %v, want %d %s", c.method, c.path, c.header, a, status,
			tag(version))
	}
	return a, nil
}

// has returns an error unless the user has this document at this version.
func (s *system) has(base, user string, version int64, document string) error {
	a, err := s.want(base, call{method: http.MethodGet, path: settingsOf(user)}, http.StatusOK,
		version)
	if err == nil && a.body != document {
		err = fmt.Errorf("%s has %.300s at %d, want %.300s", user, a.body, version, document)
	}
	return err
}

// userOf is the path of all that a user has, settingsOf that of the document or of a value in it.
func userOf(user string) string { return "/user/" + url.PathEscape(user) }

func settingsOf(user string, path ...string) string {
	where := userOf(user) + "/settings"
	for _, token := range path {
		where += "/" + url.PathEscape(token)
	}
	return where
}

func historyOf(user string) string { return userOf(user) + "/history" }

// versionOf is the path of one version in the history.
func versionOf(user string, version int64) string {
	return historyOf(user) + "/" + strconv.FormatInt(version, 10)
}

// entry is one version in a user's history.
type entry struct {
	Version   int64
	Time      string
	Operation string
	Size      int
}

// page is one answer with a part of a history.
type page struct {
	Versions []entry
	Next     string
}

// history returns all of it, the newest first, page by page.
func (s *system) history(base, user string, limit int) ([]entry, error) {
	var all []entry
	for next := historyOf(user) + "?limit=" + strconv.Itoa(limit); next != ""; {
		a, err := s.want(base, call{method: http.MethodGet, path: next}, http.StatusOK, -1)
		if err != nil {
			return nil, err
		}
		var p page
		if err := json.Unmarshal([]byte(a.body), &p); err != nil {
			return nil, fmt.Errorf("GET %s: %w: %v", next, err, a)
		}
		link := ""
		if p.Next != "" {
			link = "<" + p.Next + `>; rel="next"`
		}
		if a.header.Get("Link") != link || len(p.Versions) > limit ||
			p.Next != "" && len(p.Versions) != limit {
			return nil, fmt.Errorf("GET %s: %d versions, next %q, Link %q", next, len(p.Versions),
				p.Next, a.header.Get("Link"))
		}
		all = append(all, p.Versions...)
		if next = ""; p.Next != "" {
			next = historyOf(user) + p.Next
		}
	}
	return all, nil
}

// actions are what made the versions of a whole history, the oldest first. A gap is an error.
func (s *system) actions(base, user string, newest int64) (actions []string, err error) {
	all, err := s.history(base, user, 100)
	if err != nil {
		return nil, err
	}
	actions = make([]string, len(all))
	for i, e := range all {
		if e.Version != newest-int64(i) {
			return nil, fmt.Errorf("%s: entry %d of the history is version %d, want %d", user, i,
				e.Version, newest-int64(i))
		}
		actions[len(all)-1-i] = e.Operation
	}
	return actions, nil
}
