package e2e

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// setChecks sets how many cases a property is checked with, unless -rapid.checks is given.
func setChecks(t *testing.T, n int) {
	t.Helper()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		return
	}
	if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
}

// TestAnswersMatchModel sends random requests of several clients through two APIs and two workers,
// and compares each answer with a model in memory that is as plain as can be and shares no code
// with the programs.
func TestAnswersMatchModel(t *testing.T) {
	t.Parallel()
	s := newSystem(t.Context(), t) // no deadline: -rapid.checks may ask for hours
	s.newWorker()
	s.newWorker()
	bases := []string{s.newAPI(), s.newAPI()}
	setChecks(t, short(150, 45)) // with -short, rapid checks a fifth of them
	start, cases := time.Now(), 0
	came := tally{by: make(map[string]int)}
	rapid.Check(t, func(rt *rapid.T) {
		cases++
		g := &game{T: rt, system: s, bases: bases, users: make(map[string]*userModel), came: &came}
		for _, name := range []string{"ann", "日本/bob"} {
			g.names = append(g.names, fmt.Sprintf("%s %d", name, cases)) // new users
			g.users[g.names[len(g.names)-1]] = newUserModel()
		}
		for range clientsOfGame {
			g.players = append(g.players, &player{seen: make(map[string]int64)})
		}
		for range rapid.IntRange(30, 90).Draw(rt, "steps") {
			g.step()
		}
		for _, user := range g.names {
			g.look(user)
			g.play(&request{op: "history", user: user, limit: 100})
		}
	})
	table := ""
	for _, what := range slices.Sorted(maps.Keys(came.by)) {
		table += fmt.Sprintf("  %s: %d", what, came.by[what])
	}
	t.Logf("%d requests in %d cases, %d of them answered as repetitions: %v\n%s",
		came.requests, cases, came.replayed, time.Since(start).Round(time.Millisecond), table)
}

// tally counts requests, and how often which kind of them was answered how.
type tally struct {
	requests, replayed int
	by                 map[string]int
}

// game is one case: players send requests, and the model knows the users that they share.
type game struct {
	*rapid.T

	system  *system
	bases   []string
	names   []string
	users   map[string]*userModel
	players []*player
	came    *tally
}

const clientsOfGame = 3

// player is a client. It remembers the versions that it was told, and what it has sent.
type player struct {
	seen map[string]int64
	sent []*request // with keys
	keys int
}

// step has one of the players do something.
func (g *game) step() {
	p := rapid.SampledFrom(g.players).Draw(g.T, "player")
	var r *request
	if n := rapid.IntRange(0, 9).Draw(g.T, "again"); n == 0 && len(p.sent) > 0 {
		r = rapid.SampledFrom(p.sent).Draw(g.T, "the same")
	} else {
		r = g.request(p)
		if n == 1 && r.writes() && len(p.sent) > 0 {
			r.key = rapid.SampledFrom(p.sent).Draw(g.T, "the same key").key
			for _, earlier := range p.sent { // with the same effect: return=minimal does not count
				if earlier.same(r) {
					r = earlier
				}
			}
		} else if n < 7 && r.writes() {
			p.keys++
			r.key = fmt.Sprintf("key %d/%d", slices.Index(g.players, p), p.keys)
		}
		if r.key != "" {
			p.sent = append(p.sent, r)
		}
	}
	a := g.play(r)
	if told, err := strconv.Unquote(a.header.Get("ETag")); err == nil && r.op != "get-version" {
		if p.seen[r.user], err = strconv.ParseInt(told, 10, 64); err != nil {
			g.Fatalf("%+v: %v", *r, a)
		}
	}
	if r.writes() {
		g.look(r.user)
	}
}

// keys of documents: some need care in a URL.
var keys = []string{"a", "b", "c", "", "-", "0", "a/b", "~1", "%2F", "é", ".", ".."}

func (g *game) request(p *player) *request {
	r := &request{user: rapid.SampledFrom(g.names).Draw(g.T, "user")}
	from := reads
	if rapid.IntRange(0, 3).Draw(g.T, "read") > 0 {
		from = writes
	}
	r.op = rapid.SampledFrom(from).Draw(g.T, "op")
	u := g.users[r.user]
	version := func(label string) int64 { return rapid.Int64Range(0, u.version+1).Draw(g.T, label) }
	switch r.op {
	case "put", "post":
		r.body = g.document()
	case "merge-patch":
		r.body = g.value(3, true)
	case "json-patch":
		r.body = g.jsonPatch(u)
	case "set-value":
		r.path, r.body = g.addressed(u), g.value(2, false)
	case "get-value", "head-value", "delete-value":
		r.path = g.addressed(u)
	case "get-version", "restore":
		r.version = max(1, version("version"))
	case "history":
		r.limit, r.before = rapid.SampledFrom([]int64{0, 1, 2, 5, 100}).Draw(g.T, "limit"),
			version("before")
		return r
	}
	switch rapid.IntRange(0, 13).Draw(g.T, "condition") {
	case 1, 2, 3:
		r.match = &tags{listed: []oneTag{{version: p.seen[r.user]}}}
	case 4, 5:
		r.match = g.tags(u)
	case 6, 7:
		r.none = g.tags(u)
	case 8:
		r.unmodified = g.date(u)
	case 9:
		r.modified = g.date(u)
	case 10: // only the tags count then
		r.match, r.none = g.tags(u), g.tags(u)
		r.unmodified, r.modified = g.date(u), g.date(u)
	}
	if r.writes() {
		r.modified = time.Time{} // writes ignore it
		r.minimal = rapid.IntRange(0, 4).Draw(g.T, "minimal") == 0
	}
	return r
}

func (g *game) tags(u *userModel) *tags {
	if rapid.IntRange(0, 3).Draw(g.T, "any") == 1 {
		return &tags{any: true}
	}
	one := rapid.Custom(func(t *rapid.T) oneTag {
		versions := []int64{u.version, 0, u.version - 1, u.version + 1, -1, u.version}
		return oneTag{
			rapid.SampledFrom(versions).Draw(t, "tag"), rapid.IntRange(0, 3).Draw(t, "weak") == 2,
		}
	})
	return &tags{listed: rapid.SliceOfN(one, 1, 3).Draw(g.T, "tags")}
}

func (g *game) date(u *userModel) time.Time {
	around := []time.Duration{0, -time.Second, time.Second, -time.Hour, time.Hour}
	return cmp.Or(u.now.modified, time.Now().Truncate(time.Second)).Add(
		rapid.SampledFrom(around).Draw(g.T, "since"),
	)
}

// document draws a body for PUT: mostly a document, with spelling that only a copy preserves.
func (g *game) document() string {
	switch rapid.IntRange(0, 11).Draw(g.T, "document") {
	case 0:
		return "{}"
	case 1:
		return " { \"b\" : 1.50,\n\"a\":{\"c\" :[ -0e1 , \"\\u00e9\"]}, \"list\":[]}\n"
	case 2:
		return rapid.SampledFrom(badDocuments).Draw(g.T, "bad")
	}
	return g.object(3, false)
}

var badDocuments = []string{`[]`, `1`, `{"a":1e999}`, `{"a":1`, `{"a":1,"a":2}`, ``, `{"a":1}{}`}

// value draws a JSON value; only a merge patch takes a null for more than a value.
func (g *game) value(depth int, patch bool) string {
	if patch && rapid.IntRange(0, 15).Draw(g.T, "no object") > 0 {
		return g.object(depth, true)
	}
	switch kind := rapid.IntRange(0, 7).Draw(g.T, "kind"); {
	case kind < 2 && depth > 0:
		return g.object(depth, patch)
	case kind < 4 && depth > 0:
		var elements []string
		for range rapid.IntRange(0, 3).Draw(g.T, "elements") {
			elements = append(elements, g.value(depth-1, false))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	}
	return rapid.SampledFrom([]string{`1`, `1.50`, `"x"`, `"é\n"`, `true`, `null`, `-0`, `12345678901234567890`}).Draw(g.T, "scalar")
}

func (g *game) object(depth int, patch bool) string {
	var members []string
	used := make(map[string]bool)
	for range rapid.IntRange(0, 4).Draw(g.T, "members") {
		key := rapid.SampledFrom(keys).Draw(g.T, "key")
		if used[key] {
			continue
		}
		used[key] = true
		value := ""
		if patch && rapid.IntRange(0, 2).Draw(g.T, "null") == 0 {
			value = "null"
		} else if value = g.value(depth-1, false); patch && depth > 1 && rapid.Bool().Draw(g.T, "deeper") {
			value = g.object(depth-1, true)
		}
		members = append(members, string(encoded(key))+rapid.SampledFrom([]string{
			":",
			" :  ",
		}).Draw(g.T, "colon")+value)
	}
	return "{" + strings.Join(members, ", ") + "}"
}

// addressed is a path that an address can have: it doesn't end with an empty key.
func (g *game) addressed(u *userModel) []string {
	path := g.path(u, "path")
	if last := len(path) - 1; last >= 0 && path[last] == "" {
		path[last] = "a"
	}
	return path
}

// path draws the path of a value that exists, nearly exists or does not.
func (g *game) path(u *userModel, label string) (path []string) {
	at := decoded(u.now.text)
	for len(path) < 5 {
		token := ""
		switch in := at.(type) {
		case map[string]any:
			from := keys
			if len(in) > 0 && rapid.IntRange(0, 4).Draw(g.T, label+" is new") != 3 {
				from = slices.Sorted(maps.Keys(in))
			}
			token = rapid.SampledFrom(from).Draw(g.T, label)
			at = in[token]
		case []any:
			token = rapid.SampledFrom([]string{
				"0", "1", "-", strconv.Itoa(len(in)), "00",
				"a",
			}).Draw(g.T, label)
			at = nil
			if i, err := strconv.Atoi(token); err == nil && i < len(in) {
				at = in[i]
			}
		default:
			token = rapid.SampledFrom(keys).Draw(g.T, label)
			at = nil
		}
		path = append(path, token)
		switch at.(type) {
		case map[string]any, []any:
			if rapid.Bool().Draw(g.T, label+" ends") {
				return path
			}
		default: // nothing is below it yet
			if rapid.IntRange(0, 5).Draw(g.T, label+" goes beyond") != 4 {
				return path
			}
		}
	}
	return path
}

func (g *game) jsonPatch(u *userModel) string {
	if rapid.IntRange(0, 15).Draw(g.T, "no patch") == 0 {
		return rapid.SampledFrom([]string{`{}`, `[{"op":"add"}]`, `[{"op":"dance","path":"/a"}]`, `[`}).Draw(g.T, "bad patch")
	}
	var operations []string
	for range rapid.IntRange(0, 3).Draw(g.T, "operations") {
		op := rapid.SampledFrom([]string{
			"add", "add", "remove", "replace", "move", "copy",
			"test",
		}).Draw(g.T, "operation")
		at := func(name string, path []string) string { return fmt.Sprintf(`,%q:%s`, name, encoded(pointer(path))) }
		text := fmt.Sprintf(`{"op":%q`, op) + at("path", g.path(u, "path"))
		switch op {
		case "add", "replace":
			text += `,"value":` + g.value(2, false)
		case "test":
			path := g.path(u, "tested")
			value := g.value(1, false)
			if there, ok := find(decoded(u.now.text), path); ok {
				value = string(encoded(there))
			}
			text = `{"op":"test"` + at("path", path) + `,"value":` + value
		case "move", "copy":
			from := g.path(u, "from")
			if strings.HasPrefix(text, fmt.Sprintf(`{"op":"move","path":%s`, strings.TrimSuffix(string(encoded(pointer(from))), `"`))) {
				from = []string{"nowhere"} // a value must not be moved into itself
			}
			text += at("from", from)
		}
		operations = append(operations, text+"}")
	}
	patch := "[" + strings.Join(operations, ",") + "]"
	if after, ok := patched(decoded(u.now.text), patch, make(map[string]bool)); ok &&
		depth(after) > 10 {
		return "[]" // copies of copies would reach the limit of depth
	}
	return patch
}

func depth(v any) (deepest int) {
	switch at := v.(type) {
	case map[string]any:
		for _, child := range at {
			deepest = max(deepest, depth(child))
		}
	case []any:
		for _, child := range at {
			deepest = max(deepest, depth(child))
		}
	default:
		return 0
	}
	return deepest + 1
}

// pointer is a JSON pointer (RFC 6901).
func pointer(path []string) (p string) {
	for _, token := range path {
		p += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	}
	return p
}

// play sends the request and compares the answer with the model.
func (g *game) play(r *request) answer {
	base := rapid.SampledFrom(g.bases).Draw(g.T, "API")
	a, err := g.system.send(base, r.call())
	if err != nil {
		g.Fatalf("%+v: %v", *r, err)
	}
	g.came.requests++
	g.came.by[r.op+" "+strconv.Itoa(a.status)]++
	if err := g.users[r.user].check(*r, a); err != nil {
		g.Fatalf("%s %s %q %v\n with %+v\n  got %v %v\n%v", r.call().method, r.call().path, r.body,
			r.call().header, *g.users[r.user], a, a.header, err)
	}
	if a.header.Get("Idempotency-Replayed") != "" {
		g.came.replayed++
	}
	return a
}

// look reads the user's document, from which the model learns how the last change is spelt.
func (g *game) look(user string) {
	g.play(&request{op: "get", user: user})
}
