package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// seed is what most of the users have at version 1.
const seed = `{"theme":"light",  "list":[1, 2]}`

// lost is a write whose every answer is lost, and the answer that its repetition must get.
type lost struct {
	call   call   // without a user, precondition and key; the path is below the user's
	status int    // of the first answer
	body   string // of the first answer; %s: the user
	header string // a line that it must have
	// What the history calls it, and the document that it makes. An erasure has no action.
	action, document string
}

var lostWrites = map[string]lost{
	"put": {
		call:   call{method: http.MethodPut, path: "/settings", body: `{"theme": "dark"}`, header: []string{isJSON}},
		status: 200, body: `{"theme": "dark"}`, action: "replace", document: `{"theme": "dark"}`,
	},
	"put-minimal": {
		call:   call{method: http.MethodPut, path: "/settings", body: `{"theme": "dark"}`, header: []string{isJSON, minimal}},
		status: 204, header: "Preference-Applied: return=minimal", action: "replace", document: `{"theme": "dark"}`,
	},
	"post": {
		call:   call{method: http.MethodPost, path: "/settings", body: `{"theme":  "dark"}`, header: []string{isJSON}},
		status: 200, body: `{"status":"settings updated","userId":"%s","settings":{"theme":  "dark"}}`,
		action: "replace", document: `{"theme":  "dark"}`,
	},
	"merge-patch": {
		call:   call{method: http.MethodPatch, path: "/settings", body: `{"theme":"dark"}`, header: []string{isMerge}},
		status: 200, body: `{"theme":"dark",  "list":[1, 2]}`, action: "merge-patch", document: `{"theme":"dark",  "list":[1, 2]}`,
	},
	"json-patch": { // cannot be applied twice
		call: call{
			method: http.MethodPatch, path: "/settings", header: []string{isJSONPatch},
			body: `[{"op":"test","path":"/theme","value":"light"},{"op":"replace","path":"/theme","value":"dark"}]`,
		},
		status: 200, body: `{"theme":"dark",  "list":[1, 2]}`, action: "json-patch", document: `{"theme":"dark",  "list":[1, 2]}`,
	},
	"delete": {call: call{method: http.MethodDelete, path: "/settings"}, status: 204, action: "delete", document: `{}`},
	"set-value": {
		call:   call{method: http.MethodPut, path: "/settings/theme", body: `"dark"`, header: []string{isJSON}},
		status: 200, body: `"dark"`, action: "set-value", document: `{"theme":"dark",  "list":[1, 2]}`,
	},
	"set-value-created": { // its repetition is 201 too, though the value exists by then
		call:   call{method: http.MethodPut, path: "/settings/theme", body: `"dark"`, header: []string{isJSON}},
		status: 201, body: `"dark"`, action: "set-value", document: `{"list":[1],"theme":"dark"}`,
	},
	"append": {
		call:   call{method: http.MethodPut, path: "/settings/list/-", body: `3`, header: []string{isJSON}},
		status: 201, body: `3`, header: "Location: 2", action: "set-value",
	},
	"delete-value": {call: call{method: http.MethodDelete, path: "/settings/list"}, status: 204, action: "delete-value", document: `{"theme":"light"}`},
	"restore": {
		call:   call{method: http.MethodPost, path: "/history/1/restore"},
		status: 200, body: seed, action: "restore", document: seed,
	},
	"erase": {call: call{method: http.MethodDelete, path: ""}, status: 204, document: `{}`},
}

// of is the write as a client sends it for the user: a compare-and-set with a key.
func (l lost) of(user string) call {
	c := l.call
	c.path = userOf(user) + c.path
	c.header = append(slices.Clone(c.header), `If-Match: "1"`, "Idempotency-Key: "+user+"-key")
	return c
}

// is returns an error unless the answer is the first one to the write, marked as a repetition.
func (l lost) is(user string, a answer) error {
	named := func(text string) string { return strings.ReplaceAll(text, "%s", user) }
	name, value, _ := strings.Cut(named(l.header), ": ")
	if a.status != l.status || a.header.Get("ETag") != tag(2) || a.body != named(l.body) ||
		a.header.Get(name) != value {
		return fmt.Errorf("%s: got %v %v, want %d %s %s with %s", user, a, a.header, l.status,
			tag(2), named(l.body), l.header)
	}
	if a.header.Get("Idempotency-Replayed") != "true" {
		return fmt.Errorf("%s: not marked as a repetition: %v", user, a.header)
	}
	return nil
}

// TestLostAnswerIsReplayed: a worker commits and its answer never arrives. Whoever repeats the
// write with the same key, the API or its client, gets the first answer from any worker, and the
// write counts once.
func TestLostAnswerIsReplayed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	losing := func(replies string) []*program {
		return []*program{
			s.newWorker("OUTSET_FAILPOINTS=worker/reply-lost=" + replies),
			s.newWorker("OUTSET_FAILPOINTS=worker/reply-lost=" + replies),
		}
	}

	sound := s.newWorker()
	base := s.newAPI()
	hasty := s.newAPI("REQUEST_TIMEOUT=2500ms") // time for three attempts of a second, the last cut
	users := []string{"api", "client"}
	for name := range lostWrites {
		users = append(users, name)
	}
	for _, user := range users {
		document := seed
		if user == "set-value-created" {
			document = `{"list":[1]}`
		}
		_, err := s.want(base, call{
			method: http.MethodPut, path: settingsOf(user), body: document, header: []string{isJSON},
		}, 200, 1)
		s.do(err)
	}

	// The API repeats the write by itself. Its client sees one answer.
	workers := losing("1")
	s.do(sound.terminate(ctx))
	put := lostWrites["put"]
	began := time.Now()
	a, err := s.want(base, put.of("api"), 200, 2)
	s.do(err)
	t.Logf("the API has repeated it %d times within %v", repliesLost(workers), time.Since(began))
	if a.body != put.body || a.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("the answer is %v %v", a, a.header)
	}
	if repliesLost(workers) == 0 {
		t.Error("no reply was lost")
	}
	s.do(s.once(base, "api", "replace", "replace"))

	// Three replies in a row are lost, so the client has to repeat the write. The workers may have
	// three more to lose.
	more := losing("3")
	for _, w := range workers {
		s.do(w.terminate(ctx))
	}
	for sent := 1; ; sent++ {
		began = time.Now()
		a, err = s.send(hasty, put.of("client"))
		s.do(err)
		if a.status != http.StatusGatewayTimeout {
			break
		}
		t.Logf("request %d is answered 504 after %v, when %d replies were lost", sent,
			time.Since(began), repliesLost(more))
		if a.problem() != "outcome-unknown" || a.header.Get("Retry-After") == "" {
			t.Errorf("without an answer: %v %v", a, a.header)
		}
	}
	took := time.Since(began)
	s.do(put.is("client", a))
	n := repliesLost(more)
	t.Logf("the repetition is answered after %v, when %d replies were lost", took, n)
	if n < 3 {
		t.Error("want 3 or more")
	}
	s.do(s.once(base, "client", "replace", "replace"))

	// No reply ever arrives, for each kind of write.
	workers = losing("1000000")
	for _, w := range more {
		s.do(w.terminate(ctx))
	}
	s.do(s.eachLost(func(user string, l lost) error {
		a, err := s.want(hasty, l.of(user), http.StatusGatewayTimeout, -1)
		if err == nil && a.problem() != "outcome-unknown" {
			err = fmt.Errorf("%s without an answer: %v", user, a)
		}
		return err
	}))
	// The workers that did it are killed; others take their place.
	others := []*program{s.newWorker(), s.newWorker()}
	for _, w := range workers {
		w.kill()
	}
	s.do(s.eachLost(s.repeated(base)))
	s.do(s.eachLost(func(user string, l lost) error {
		if l.document == "" {
			return nil
		}
		return s.has(base, user, 2, l.document)
	}))
	// Others write meanwhile. That changes neither the first answer nor the later version.
	const later = `{"later":true}`
	s.do(s.eachLost(func(user string, _ lost) error {
		_, err := s.want(base, call{
			method: http.MethodPut, path: settingsOf(user), body: later, header: []string{isJSON},
		}, 200, 3)
		return err
	}))
	s.do(s.eachLost(s.repeated(base)))
	s.do(others[0].terminate(ctx))
	s.newWorker()
	s.do(s.eachLost(s.repeated(base)))
	s.do(s.eachLost(func(user string, l lost) error {
		err := s.has(base, user, 3, later)
		if l.action == "" { // an erasure leaves nothing but what came after
			return errors.Join(err, s.once(base, user, "replace"))
		}
		return errors.Join(err, s.once(base, user, "replace", l.action, "replace"))
	}))
}

// repliesLost is how many replies the workers have lost on purpose, as their logs say.
func repliesLost(workers []*program) (n int) {
	for _, w := range workers {
		for _, line := range w.log() {
			if strings.Contains(line, "worker/reply-lost") {
				n++
			}
		}
	}
	return n
}

// eachLost calls do for all kinds of write at once.
func (s *system) eachLost(do func(user string, l lost) error) error {
	errs := make(chan error, len(lostWrites))
	for user, l := range lostWrites {
		go func() { errs <- do(user, l) }()
	}
	var all error
	for range lostWrites {
		all = errors.Join(all, <-errs)
	}
	return all
}

// repeated returns a function that repeats a write often enough to meet every worker.
func (s *system) repeated(base string) func(string, lost) error {
	return func(user string, l lost) error {
		var first answer
		for i := range 8 {
			a, err := s.send(base, l.of(user))
			if err == nil {
				err = l.is(user, a)
			}
			if err != nil {
				return fmt.Errorf("repetition %d: %w", i+1, err)
			}
			if i == 0 {
				first = a
			} else if when := a.header.Get("Last-Modified"); when != first.header.Get("Last-Modified") {
				return fmt.Errorf("%s: repetition %d says Last-Modified %s, the first said %s",
					user, i+1, when, first.header.Get("Last-Modified"))
			}
		}
		return nil
	}
}

// once returns an error unless the user's history has these actions and no other.
func (s *system) once(base, user string, actions ...string) error {
	newest := int64(len(actions))
	if newest == 1 { // what comes after an erasure counts on
		newest = 3
	}
	got, err := s.actions(base, user, newest)
	if err == nil && !slices.Equal(got, actions) {
		err = fmt.Errorf("%s: the history has %q, want %q", user, got, actions)
	}
	return err
}
