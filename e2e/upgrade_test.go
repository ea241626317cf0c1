package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"golang.org/x/sync/errgroup"

	"github.com/outset-settings/outset/pkg/messages"
)

const (
	// oldCommit is the last one before deletion, patches and history: it reads and replaces
	// documents.
	oldCommit = "b013eb08b7661ea20b7be1432c03d0657d41e141"
	// ancients are users who were last written before the upgrade, ancientVersions times.
	ancients        = 200
	ancientVersions = 3
	// Users who try everything out while old and new workers serve, one draw of the queue for each
	// request.
	pioneers = 10
)

// TestUpgrade: a new worker migrates the database of an old one while that goes on working. Then
// old and new workers and APIs serve side by side, in any order of restart, until the old ones go.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	old := buildOld(ctx, t)
	s := newSystem(ctx, t)

	oldWorker := s.worker(filepath.Join(old, "worker"), "LOG_LEVEL=debug")
	oldAPI, oldBase := s.api(filepath.Join(old, "api"))
	l := startLoad(t, oldBase, "old alone")
	s.do(s.eachOf(ancients, func(i int) error {
		for v := 1; v <= ancientVersions; v++ {
			_, err := s.want(oldBase, call{
				method: http.MethodPost, path: settingsOf(ancient(i)),
				body: ancientDocument(i, v), header: []string{isJSON},
			}, 200, int64(v))
			if err != nil {
				return err
			}
		}
		return nil
	}))
	queue, err := nats.Connect(s.queue)
	s.do(err)
	t.Cleanup(queue.Close)
	early := messages.Operation{ // as an old API sends it
		Action: messages.ActionReplace, User: "repeated", ID: "early", Fingerprint: []byte("early"), Document: []byte(`{"early":true}`),
	}
	s.do(replaced(ctx, queue, messages.WriteSubject, early, messages.Result{Version: 1}))
	s.do(l.settle(ctx, 300))

	l.phase("new API, no new worker")
	newAPI := startProgram(t, filepath.Join(s.bin, "api"), "NATS_URL="+s.queue,
		"HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0")
	s.do(newAPI.listens(ctx, "api listening"))
	newBase := "http://" + newAPI.addr
	s.do(s.tooEarly(newBase, "impatient"))

	l.phase("new worker migrates")
	s.newWorker()
	s.do(ready(ctx, newBase))
	s.do(l.settle(ctx, 300))

	l.phase("side by side")
	l.through(oldBase, newBase)
	s.do(l.settle(ctx, 300))
	workers, err := workersByAge(queue)
	s.do(err)
	late := early
	late.ID, late.Document = "late", []byte(`{"late":true}`)
	for _, repeat := range []struct {
		where string // an old or a new worker, by name
		o     messages.Operation
		want  messages.Result
	}{
		{workers.young, early, messages.Result{Version: 1, Replayed: true}},
		{workers.old, early, messages.Result{Version: 1, Replayed: true}},
		{workers.young, late, messages.Result{Version: 2}},
		{workers.old, late, messages.Result{Version: 2, Replayed: true}},
	} {
		s.do(replaced(ctx, queue, messages.WorkerSubject(messages.WriteSubject, repeat.where), repeat.o,
			repeat.want))
	}
	s.do(s.eachOf(pioneers, func(i int) error {
		return s.explore(oldBase, newBase, fmt.Sprintf("pioneer %d", i))
	}))
	s.do(s.eachOf(ancients/4, func(i int) error { return s.remembers(newBase, i) }))

	l.phase("old worker restarts")
	s.do(oldWorker.terminate(ctx))
	restarted := s.worker(filepath.Join(old, "worker"), "LOG_LEVEL=debug")
	s.do(l.settle(ctx, 300))
	s.do(s.eachOf(pioneers, func(i int) error {
		return s.explore(oldBase, newBase, fmt.Sprintf("settler %d", i))
	}))

	l.phase("old ones stop")
	l.through(newBase)
	s.do(oldAPI.terminate(ctx))
	s.do(restarted.terminate(ctx))
	s.do(l.settle(ctx, 300))
	s.do(s.eachOf(ancients, func(i int) error {
		return errors.Join(s.remembers(newBase, i), s.wakes(newBase, i))
	}))

	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	log, err := query(ctx, s.database, selectLog)
	s.do(err)
	settings, err := query(ctx, s.database, selectSettings)
	s.do(err)
	byOthers := func(r row) bool { return l.ledgers[r.User] == nil }
	if err := verify(l.ledgers, slices.DeleteFunc(log, byOthers),
		slices.DeleteFunc(settings, byOthers)); err != nil {
		t.Error(err)
	}
	unknown := refusals(oldWorker) + refusals(restarted)
	t.Logf("%d users were there before, %d tried everything out; the old worker did not know %d operations", ancients, 2*pioneers, unknown)
	if unknown == 0 {
		t.Error("the old worker was never asked for what it doesn't know")
	}
}

// buildOld builds the programs of oldCommit with the race detector, from git's history.
func buildOld(ctx context.Context, t *testing.T) string {
	t.Helper()
	if out, err := exec.CommandContext(ctx, "git", "-C", "..", "cat-file", "-e",
		oldCommit+"^{commit}").CombinedOutput(); err != nil {
		t.Skipf("the programs to upgrade from are those of %s, which is not in this tree's history (an export or a shallow clone?): %v %s", oldCommit, err, out)
	}
	dir := t.TempDir()
	archive := exec.CommandContext(ctx, "git", "-C", "..", "archive", oldCommit)
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
	var err error
	if unpack.Stdin, err = archive.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := unpack.Start(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(archive.Run(), unpack.Wait()); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	build(ctx, t, dir, "-o", bin, "./cmd/api", "./cmd/worker")
	return bin
}

// eachOf does something for n users, some at a time.
func (s *system) eachOf(n int, do func(i int) error) error {
	var all errgroup.Group
	all.SetLimit(8)
	for i := range n {
		all.Go(func() error { return do(i) })
	}
	return all.Wait()
}

func ancient(i int) string { return fmt.Sprintf("ancient/%d", i) }

func ancientDocument(i, version int) string {
	return fmt.Sprintf(`{"user":%d,  "version":%d, "z":1.50,"a":-0e1}`, i, version)
}

// remembers returns an error unless an ancient user has everything that was written before the
// upgrade.
func (s *system) remembers(base string, i int) error {
	user := ancient(i)
	if err := s.has(base, user, ancientVersions, ancientDocument(i, ancientVersions)); err != nil {
		return err
	}
	operations, err := s.operations(base, user, ancientVersions)
	if err != nil || !slices.Equal(operations, []string{"replace", "replace", "replace"}) {
		return fmt.Errorf("%s has the history %q: %w", user, operations, err)
	}
	for v := 1; v <= ancientVersions; v++ {
		a, err := s.want(base, call{method: http.MethodGet, path: versionOf(user, int64(v))}, 200,
			int64(v))
		if err != nil || a.body != ancientDocument(i, v) || a.header.Get("Last-Modified") == "" {
			return fmt.Errorf("version %d of %s: %v %v %w", v, user, a, a.header, err)
		}
	}
	return nil
}

// wakes changes what was written before the upgrade.
func (s *system) wakes(base string, i int) error {
	user := ancient(i)
	_, stale := s.want(base, call{method: http.MethodDelete, path: settingsOf(user), header: []string{`If-Match: "2"`}}, 412, ancientVersions)
	_, patch := s.want(base, call{
		method: http.MethodPatch, path: settingsOf(user), body: `{"version":4}`, header: []string{isMerge, `If-Match: "3"`},
	}, 200, 4)
	_, restore := s.want(base, call{method: http.MethodPost, path: versionOf(user, 1) + "/restore"},
		200, 5)
	return errors.Join(stale, patch, restore, s.has(base, user, 5, ancientDocument(i, 1)))
}

// tooEarly uses a new API while all workers are old: what they know is done, all else surely not.
func (s *system) tooEarly(base, user string) error {
	const document = `{"a":1}`
	if _, err := s.want(base, call{method: http.MethodGet, path: "/readyz"}, 503, -1); err != nil {
		return err
	}
	if _, err := s.want(base, call{
		method: http.MethodPut, path: settingsOf(user), body: document,
		header: []string{isJSON},
	}, 200, 1); err != nil {
		return err
	}
	unknown := []call{
		{method: http.MethodPut, path: settingsOf(user), body: `{"a":2}`, header: []string{isJSON, `If-Match: "1"`}},
		{method: http.MethodPatch, path: settingsOf(user), body: `{"a":2}`, header: []string{isMerge}},
		{method: http.MethodDelete, path: settingsOf(user)},
		{method: http.MethodDelete, path: userOf(user)},
		{method: http.MethodGet, path: historyOf(user)},
	}
	if err := s.eachOf(len(unknown), func(i int) error {
		a, err := s.want(base, unknown[i], 503, -1)
		if err == nil && (a.problem() != "unavailable" || a.header.Get("Retry-After") == "") {
			err = fmt.Errorf("%s %s without a new worker: %v %v", unknown[i].method,
				unknown[i].path, a, a.header)
		}
		return err
	}); err != nil {
		return err
	}
	return s.has(base, user, 1, document)
}

// explore uses whatever is new, and what is old in between. Each answer has to be right, whichever
// worker NATS hands the request to at first.
func (s *system) explore(oldBase, newBase, user string) error {
	at := settingsOf(user)
	const document = `{"theme":"light",  "list":[1, 2]}`
	var err error
	version := int64(0)
	// write expects the next version, refuse expects none.
	write := func(base string, c call, status int, body string) {
		if err != nil {
			return
		}
		version++
		var a answer
		if a, err = s.want(base, c, status, version); err == nil && a.body != body {
			err = fmt.Errorf("%s %s: got %v, want %s", c.method, c.path, a, body)
		}
	}
	refuse := func(c call, status int, kind string) {
		if err != nil {
			return
		}
		var a answer
		if a, err = s.want(newBase, c, status, -1); err == nil && a.problem() != kind {
			err = fmt.Errorf("%s %s: got %v, want %s", c.method, c.path, a, kind)
		}
	}
	// is expects the same of both APIs.
	is := func(document string) {
		for _, base := range []string{oldBase, newBase, newBase} {
			if err == nil {
				err = s.has(base, user, version, document)
			}
		}
	}
	oldPost := func(document string) {
		write(oldBase, call{
			method: http.MethodPost, path: at, body: document,
			header: []string{isJSON},
		}, 200,
			fmt.Sprintf(`{"status":"settings updated","userId":%q,"settings":%s}`, user, document))
		is(document)
	}
	put := func(document string, status int, header ...string) call {
		return call{
			method: http.MethodPut, path: at, body: document, header: append(header, isJSON),
		}
	}

	is(`{}`)
	oldPost(`{"old":1}`)
	// A precondition must not be lost on a worker that knows none.
	for range 6 {
		refuse(put(document, 412, `If-Match: "7"`), 412, "precondition-failed")
		refuse(put(document, 412, `If-None-Match: *`), 412, "precondition-failed")
		refuse(call{method: http.MethodDelete, path: userOf(user), header: []string{`If-Match: "0"`}}, 412, "precondition-failed")
	}
	is(`{"old":1}`)
	keyed := put(document, 200, `If-Match: "1"`, "Idempotency-Key: explorer")
	write(newBase, keyed, 200, document)
	is(document)
	for range 3 {
		if err == nil {
			version-- // once
		}
		write(newBase, keyed, 200, document)
	}
	write(newBase, call{method: http.MethodPatch, path: at, body: `{"theme":"dark"}`, header: []string{isMerge}}, 200, `{"theme":"dark",  "list":[1, 2]}`)
	is(`{"theme":"dark",  "list":[1, 2]}`)
	write(newBase, call{
		method: http.MethodPatch, path: at, body: `[{"op":"test","path":"/theme","value":"dark"},{"op":"remove","path":"/list"}]`, header: []string{isJSONPatch},
	}, 200, `{"theme":"dark"}`)
	write(newBase, call{method: http.MethodPut, path: settingsOf(user, "theme"), body: `"blue"`, header: []string{isJSON}}, 200, `"blue"`)
	is(`{"theme":"blue"}`)
	for range 3 {
		if err == nil {
			var a answer
			if a, err = s.want(newBase, call{method: http.MethodGet, path: settingsOf(user, "theme")}, 200, version); err == nil && a.body != `"blue"` {
				err = fmt.Errorf("the value: %v", a)
			}
		}
		refuse(call{method: http.MethodGet, path: settingsOf(user, "nothing")}, 404, "not-found")
		refuse(call{method: http.MethodDelete, path: settingsOf(user, "nothing")}, 404, "not-found")
		refuse(call{method: http.MethodPatch, path: at, body: `[{"op":"remove","path":"/nothing"}]`, header: []string{isJSONPatch}}, 422, "patch-not-applicable")
	}
	write(newBase, call{method: http.MethodDelete, path: at}, 204, "")
	is(`{}`)
	s.reads(&err, newBase, user, version)
	oldPost(`{"old":2}`) // by whichever worker, over a deletion
	write(newBase, call{method: http.MethodDelete, path: settingsOf(user, "old")}, 204, "")
	write(newBase, call{method: http.MethodPost, path: versionOf(user, 2) + "/restore"}, 200,
		document)
	is(document)
	if err == nil {
		var operations []string
		operations, err = s.operations(newBase, user, version)
		want := []string{
			"replace", "replace", "merge-patch", "json-patch", "set-value", "delete",
			"replace", "delete-value", "restore",
		}
		if err == nil && !slices.Equal(operations, want) {
			err = fmt.Errorf("%s has the history %q", user, operations)
		}
	}
	write(newBase, call{method: http.MethodDelete, path: userOf(user)}, 204, "")
	is(`{}`)
	oldPost(`{"old":3}`) // and over an erasure
	if err == nil {
		var operations []string
		if operations, err = s.operations(newBase, user, version); err == nil &&
			!slices.Equal(operations, []string{"replace"}) {
			err = fmt.Errorf("%s was erased and has the history %q", user, operations)
		}
	}
	if err != nil {
		return fmt.Errorf("%s, version %d: %w", user, version, err)
	}
	return nil
}

// reads checks the preconditions of reading a document that was deleted, which an old worker can't
// tell from one that is there.
func (s *system) reads(err *error, base, user string, version int64) {
	for range 6 {
		if *err != nil {
			return
		}
		var a answer
		if a, *err = s.want(base, call{
			method: http.MethodGet, path: settingsOf(user),
			header: []string{"If-None-Match: *"},
		}, 200, version); *err == nil && a.header.Get("Last-Modified") == "" {
			*err = fmt.Errorf("GET %s: without Last-Modified: %v", user, a.header)
		}
		if *err == nil {
			_, *err = s.want(base, call{
				method: http.MethodGet, path: settingsOf(user),
				header: []string{"If-None-Match: " + tag(version)},
			}, 304, version)
		}
	}
}

// replaced sends one operation to the workers, or to one of them, and compares the result.
func replaced(ctx context.Context, queue *nats.Conn, subject string, o messages.Operation,
	want messages.Result,
) error {
	data, err := messages.EncodeRequest(messages.Request{Operations: []messages.Operation{o}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	m, err := queue.RequestWithContext(ctx, subject, data)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	reply, err := messages.DecodeReply(m.Data, 1)
	if err != nil || reply.Kind != "" {
		return fmt.Errorf("%s: %+v %w", subject, reply, err)
	}
	if got := reply.Results[0]; got.Kind != want.Kind || got.Version != want.Version ||
		got.Replayed != want.Replayed {
		return fmt.Errorf("%s: operation %s got %+v, want %+v", subject, o.ID, got, want)
	}
	return nil
}

// byAge are the ids of an old worker and a new one.
type byAge struct{ old, young string }

// workersByAge asks who is there, until one of each has answered.
func workersByAge(queue *nats.Conn) (found byAge, err error) {
	var mu sync.Mutex
	both := make(chan struct{})
	sub, err := queue.Subscribe(queue.NewInbox(), func(m *nats.Msg) {
		var pong micro.Ping
		if json.Unmarshal(m.Data, &pong) != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		before := found
		if pong.Metadata[messages.ActionsKey] == "" {
			found.old = pong.ID
		} else {
			found.young = pong.ID
		}
		if found.old != "" && found.young != "" && (before.old == "" || before.young == "") {
			close(both)
		}
	})
	if err != nil {
		return found, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := queue.PublishRequest("$SRV.PING."+messages.ServiceName, sub.Subject,
		nil); err != nil {
		return found, err
	}
	select {
	case <-both:
	case <-time.After(10 * time.Second):
		return found, errors.New("the workers are not an old and a new one")
	}
	mu.Lock()
	defer mu.Unlock()
	return found, nil
}

// refusals is how many operations a worker has refused because it doesn't know them, as its log
// says.
func refusals(w *program) (n int) {
	for _, said := range w.log() {
		if strings.Contains(said, `"kind":"malformed"`) {
			n++
		}
	}
	return n
}
