package e2e

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// userModel is what the model knows of a user.
type userModel struct {
	version  int64
	now      revision
	before   time.Time          // when the version before was made; after an erasure, when that was
	versions map[int64]revision // the history
	first    map[string]applied // by idempotency key
}

// revision is a document as it was at a version.
type revision struct {
	absent    bool
	text      string  // byte for byte
	from      *change // not nil: the text is not known yet, only this about it
	operation string
	modified  time.Time // to the second, as the answer to the write has it
}

// applied is a write with a key, and its answer.
type applied struct {
	request request
	answer  answer
}

func newUserModel() *userModel {
	return &userModel{
		now: revision{absent: true, text: "{}"}, versions: make(map[int64]revision),
		first: make(map[string]applied),
	}
}

// check compares the answer with the expected one, and applies the request to the model.
func (u *userModel) check(r request, a answer) error {
	if first, used := u.first[r.key]; used && r.key != "" { // also if the body is wrong
		if !first.request.same(&r) {
			return refusal(a, http.StatusUnprocessableEntity, "idempotency-key-reused")
		}
		return u.repeated(first.answer, a)
	}
	switch {
	case a.header.Get("Idempotency-Replayed") != "":
		return errors.New("answered as a repetition")
	case r.op == "history":
		return u.checkHistory(r, a)
	case r.writes():
		return u.checkWrite(r, a)
	default:
		return u.checkRead(r, a)
	}
}

func (u *userModel) repeated(first, a answer) error {
	if a.header.Get("Idempotency-Replayed") != "true" || a.status != first.status ||
		a.body != first.body {
		return fmt.Errorf("want the first answer, replayed: %v", first)
	}
	for _, name := range []string{
		"ETag", "Last-Modified", "Location", "Content-Type",
		"Preference-Applied",
	} {
		if a.header.Get(name) != first.header.Get(name) {
			return fmt.Errorf("%s: the first answer had %q", name, first.header.Get(name))
		}
	}
	return nil
}

func refusal(a answer, status int, kind string) error {
	if a.status != status || a.problem() != kind {
		return fmt.Errorf("want %d %s", status, kind)
	}
	return nil
}

// state compares what the answer says of the version that it is about.
func (rev revision) state(version int64, a answer) error {
	modified, err := http.ParseTime(a.header.Get("Last-Modified"))
	switch {
	case a.header.Get("ETag") != tag(version):
		return fmt.Errorf("want ETag %s", tag(version))
	case version == 0 && err == nil:
		return errors.New("Last-Modified of what was never saved")
	case version > 0 && (err != nil || !rev.modified.IsZero() && !rev.modified.Equal(modified)):
		return fmt.Errorf("want Last-Modified %v", rev.modified)
	}
	return nil
}

func (u *userModel) checkRead(r request, a answer) error {
	version, rev, want := u.version, u.now, u.now.text
	switch {
	case r.op == "get-version":
		past, kept := u.versions[r.version]
		if !kept {
			return refusal(a, http.StatusNotFound, "not-found")
		}
		version, rev, want = r.version, past, past.text
	case r.path != nil:
		value, ok := raw(u.now.text, r.path)
		if !ok && r.op == "head-value" {
			return wantStatus(a, http.StatusNotFound)
		} else if !ok {
			return refusal(a, http.StatusNotFound, "not-found")
		}
		want = value
	}
	err := rev.state(version, a)
	switch {
	case r.match != nil && !r.match.has(version, rev.absent, false, false, false),
		r.match == nil && !r.unmodified.IsZero() && rev.modified.After(r.unmodified):
		err = errors.Join(err, wantStatus(a, http.StatusPreconditionFailed))
		if r.op != "head" && r.op != "head-value" {
			err = errors.Join(err, refusal(a, http.StatusPreconditionFailed, "precondition-failed"))
		}
		return err
	case r.none != nil && r.none.has(version, rev.absent, true, false, false),
		r.none == nil && !r.modified.IsZero() && version > 0 && !rev.modified.After(r.modified):
		return errors.Join(err, wantStatus(a, http.StatusNotModified), wantBody(a, ""))
	}
	err = errors.Join(err, wantStatus(a, http.StatusOK))
	if a.header.Get("Content-Type") != "application/json" {
		err = errors.Join(err, errors.New("want JSON"))
	}
	switch {
	case r.op == "get" && u.now.from != nil:
		return errors.Join(err, u.learn(a.body))
	case r.op != "head" && r.op != "head-value":
		return errors.Join(err, wantBody(a, want))
	case a.header.Get("Content-Length") != strconv.Itoa(len(want)):
		err = errors.Join(err, fmt.Errorf("want the length %d", len(want)))
	}
	return err
}

// learn takes the programs' spelling of a change into the model, if it is right.
func (u *userModel) learn(text string) error {
	err := u.now.from.spelt(text)
	u.now.text, u.now.from = text, nil
	if _, kept := u.versions[u.version]; kept {
		u.versions[u.version] = u.now
	}
	return err
}

func wantStatus(a answer, status int) error {
	if a.status != status {
		return fmt.Errorf("want %d", status)
	}
	return nil
}

func wantBody(a answer, body string) error {
	if a.body != body {
		return fmt.Errorf("want the body %q", body)
	}
	return nil
}

// unreadable is the kind of failure of a request that is wrong for every document.
func unreadable(r request) string {
	document := r.op == "put" || r.op == "post"
	switch {
	case document && slices.Contains([]string{`[]`, `1`, `{"a":1e999}`}, r.body), r.op == "merge-patch" && r.body[0] != '{':
		return "invalid-document"
	case document && slices.Contains(badDocuments, r.body):
		return "malformed"
	case r.op == "json-patch" && !strings.HasSuffix(r.body, "]"), r.op == "json-patch" && r.body == `[{"op":"add"}]`,
		r.op == "json-patch" && strings.Contains(r.body, `"dance"`):
		return "malformed"
	}
	return ""
}

func (u *userModel) checkWrite(r request, a answer) error {
	switch kind := unreadable(r); kind {
	case "":
	case "malformed":
		return refusal(a, http.StatusBadRequest, kind)
	default:
		return refusal(a, http.StatusUnprocessableEntity, kind)
	}
	next, c, f := u.apply(r)
	if nobody := u.version == 0; nobody && (r.op == "delete" || r.op == "erase") {
		return refusal(a, http.StatusNotFound, "not-found")
	}
	if f != nil && f.status == http.StatusNotFound { // whatever the precondition
		return refusal(a, f.status, f.kind)
	}
	missing := false
	if r.path != nil {
		_, ok := raw(u.now.text, r.path)
		missing = !ok
	}
	if r.match != nil && !r.match.has(u.version, u.now.absent, false, true, missing) ||
		r.none != nil && r.none.has(u.version, u.now.absent, true, true, missing) ||
		r.match == nil && !r.unmodified.IsZero() &&
			(u.now.modified.After(r.unmodified) || !u.before.Before(r.unmodified)) {
		return u.precondition(r, a)
	}
	if f != nil {
		return refusal(a, f.status, f.kind)
	}
	next.operation = cmp.Or(historical[r.op], r.op)
	next.modified, _ = http.ParseTime(a.header.Get("Last-Modified"))
	u.version++
	u.before, u.now = u.now.modified, next
	if r.op == "erase" {
		u.before = next.modified
		clear(u.versions)
		maps.DeleteFunc(u.first, func(_ string, w applied) bool { return w.request.op != "erase" })
	} else {
		u.versions[u.version] = next
	}
	if r.key != "" {
		u.first[r.key] = applied{r, a}
	}
	return u.written(r, c, a)
}

// precondition checks a 412, which tells what the document is.
func (u *userModel) precondition(r request, a answer) error {
	err := errors.Join(refusal(a, http.StatusPreconditionFailed, "precondition-failed"),
		u.now.state(u.version, a))
	var told struct {
		Version  *int64
		Settings json.RawMessage
	}
	if e := json.Unmarshal([]byte(a.body), &told); e != nil || told.Version == nil ||
		*told.Version != u.version {
		return errors.Join(err, e, fmt.Errorf("want version %d in the body", u.version))
	}
	if r.minimal && told.Settings != nil || !r.minimal &&
		string(told.Settings) != strings.TrimSpace(u.now.text) {
		return errors.Join(err, fmt.Errorf("want settings %s in the body, or none if minimal",
			u.now.text))
	}
	return err
}

// written checks the answer to a write that was applied, and learns from it.
func (u *userModel) written(r request, c *change, a answer) error {
	err := u.now.state(u.version, a)
	status, body := http.StatusOK, u.now.text
	switch r.op {
	case "put":
		body = r.body
	case "post":
		body = fmt.Sprintf(`{"status":"settings updated","userId":%s,"settings":%s}`, encoded(r.user), r.body)
	case "set-value":
		body = r.body
		if c.created {
			status = http.StatusCreated
		}
		if want := location(r, c); c.created && a.header.Get("Location") != want {
			err = errors.Join(err, fmt.Errorf("want the Location %q", want))
		}
	case "delete", "delete-value", "erase":
		return errors.Join(err, wantStatus(a, http.StatusNoContent), wantBody(a, ""))
	}
	switch {
	case r.minimal:
		if body = ""; status == http.StatusOK {
			status = http.StatusNoContent
		}
		if a.header.Get("Preference-Applied") != "return=minimal" {
			err = errors.Join(err, errors.New("want Preference-Applied: return=minimal"))
		}
	case strings.HasSuffix(r.op, "-patch"):
		return errors.Join(err, wantStatus(a, status), u.learn(a.body))
	}
	return errors.Join(err, wantStatus(a, status), wantBody(a, body))
}

// location is the Location of a new value whose path has a "-", relative to the path of the
// request.
func location(r request, c *change) string {
	if !slices.Contains(r.path, "-") {
		return ""
	}
	same := 0
	for same < len(c.path)-1 && r.path[same] == c.path[same] {
		same++
	}
	var changed []string
	for _, token := range c.path[same:] {
		segment := url.PathEscape(token)
		if token == "." || token == ".." { // clients would resolve these
			segment = strings.ReplaceAll(token, ".", "%2E")
		}
		changed = append(changed, segment)
	}
	up := strings.Repeat("../", len(changed)-1)
	if up == "" && strings.Contains(changed[0], ":") {
		up = "./"
	}
	return up + strings.Join(changed, "/")
}

func (u *userModel) checkHistory(r request, a answer) error {
	limit := cmp.Or(r.limit, 20)
	var want []int64
	for _, v := range slices.Backward(slices.Sorted(maps.Keys(u.versions))) {
		if r.before == 0 || v < r.before {
			want = append(want, v)
		}
	}
	more := int64(len(want)) > limit
	if more {
		want = want[:limit]
	}
	var got page
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
		return errors.Join(errors.New("want a history"), err)
	}
	if len(got.Versions) != len(want) {
		return fmt.Errorf("want the versions %v", want)
	}
	for i, v := range want {
		rev, l := u.versions[v], got.Versions[i]
		size := len(rev.text)
		if rev.absent {
			size = 0
		}
		at, err := time.Parse(time.RFC3339Nano, l.Time)
		if l.Version != v || l.Operation != rev.operation || l.Size != size || err != nil ||
			!at.Truncate(time.Second).Equal(rev.modified) {
			return fmt.Errorf("want version %d of %d bytes by %s at %v: %+v", v, size,
				rev.operation, rev.modified, l)
		}
	}
	next := ""
	if more {
		next = fmt.Sprintf("?before=%d&limit=%d", want[limit-1], limit)
	}
	if got.Next != next || (next != "") != (a.header.Get("Link") == "<"+next+`>; rel="next"`) {
		return fmt.Errorf("want next %q", next)
	}
	return nil
}

// change is what a write must have made of a document.
type change struct {
	before  string          // byte for byte
	after   any             // decoded
	touched map[string]bool // keys of the document that it may spell anew
	created bool
	path    []string // where a value was put, and its bytes
	value   string
}

// spelt returns an error unless the text has the expected value, and keeps the spelling, the order
// and the white space of what the change did not touch.
func (c *change) spelt(text string) error {
	if got := decoded(text); !reflect.DeepEqual(got, c.after) {
		return fmt.Errorf("want a document like %s", encoded(c.after))
	}
	if before, after := members(c.before, c.touched),
		members(text, c.touched); !slices.Equal(before, after) {
		return fmt.Errorf("what was not touched was %q and is %q", before, after)
	}
	if value, ok := raw(text, c.path); c.path != nil &&
		(!ok || value != strings.TrimSpace(c.value)) {
		return fmt.Errorf("%q was put at %q, and %q is there", c.value, c.path, value)
	}
	return nil
}

// failure is why a write can't be applied.
type failure struct {
	status int
	kind   string
}

var (
	notFound      = &failure{http.StatusNotFound, "not-found"}
	notApplicable = &failure{http.StatusUnprocessableEntity, "patch-not-applicable"}
)

// apply computes what the write makes of the document: a revision, whose bytes may be known only as
// a change.
func (u *userModel) apply(r request) (next revision, c *change, f *failure) {
	document := decoded(u.now.text)
	c = &change{before: u.now.text, touched: make(map[string]bool)}
	ok := true
	switch r.op {
	case "put", "post":
		return revision{text: r.body}, c, nil
	case "delete", "erase":
		return revision{absent: true, text: "{}"}, c, nil
	case "restore":
		past, kept := u.versions[r.version]
		if !kept {
			return next, c, notFound
		}
		return revision{absent: past.absent, text: past.text}, c, nil
	case "merge-patch":
		c.after = merge(document, decoded(r.body))
		for _, m := range members(r.body, nil) {
			c.touched[m.key] = true
		}
	case "json-patch":
		c.after, ok = patched(document, r.body, c.touched)
	case "set-value":
		c.touched[r.path[0]] = true
		c.value = r.body
		c.after, c.path, c.created, ok = put(document, true, r.path, decoded(r.body))
	case "delete-value":
		c.touched[r.path[0]] = true
		if c.after, ok = remove(document, r.path); !ok {
			return next, c, notFound
		}
	}
	if !ok {
		return next, c, notApplicable
	}
	return revision{from: c}, c, nil
}
