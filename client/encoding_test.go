package client

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// TestPathProperty: a path survives as a JSON pointer, with and without its first slash, and as a
// part of a URL.
func TestPathProperty(t *testing.T) {
	t.Parallel()
	check(t, func(first text, others []text) bool {
		path := Path{string(first)}
		for _, other := range others[:min(len(others), 4)] {
			path = append(path, string(other))
		}
		if got, err := ParsePath(path.String()); err != nil || !reflect.DeepEqual(got, path) {
			t.Errorf("%q became %q, %v", path.String(), got, err)
		}
		if short := path.String()[1:]; short != "" && short[0] != '/' {
			if got, err := ParsePath(short); err != nil || !reflect.DeepEqual(got, path) {
				t.Errorf("%q became %q, %v", short, got, err)
			}
		}
		inURL := "http://a/user/1/settings" + path.escaped()
		u, err := url.Parse(inURL)
		if err != nil || u.RawQuery != "" || u.Fragment != "" ||
			"http://a"+u.EscapedPath() != inURL {
			t.Fatalf("%q is sent as %q, %v", inURL, u.EscapedPath(), err)
		}
		if got := lastSegments(u.EscapedPath(), len(path)); !reflect.DeepEqual(got, path) {
			t.Errorf("%q became %q", inURL, got)
		}
		return !t.Failed()
	})
}

// TestSubrequestProperty: the body of a subrequest has the bytes of the operation's, but for white
// space around it.
func TestSubrequestProperty(t *testing.T) {
	t.Parallel()
	check(t, func(user, value text, spaces uint8, key uint32) bool {
		quoted, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		white := [...]string{"", " ", "\n", "\t ", "\n\n"}
		body := white[spaces%5] + `{"a" :` + string(quoted) + `, "n": 1.0}` + white[spaces/5%5]
		o := OpPut("u"+string(user), json.RawMessage(body), IdempotencyKey(printable(key)))
		var got struct {
			Method, Path string
			Headers      map[string]string
			Body         json.RawMessage
		}
		if err := json.Unmarshal(o.subrequest(), &got); err != nil {
			t.Fatalf("%s: %v", o.subrequest(), err)
		}
		if got.Method != o.method || got.Path != o.path ||
			string(got.Body) != strings.TrimSpace(body) {
			t.Errorf("%s: %+v (%q)", o.subrequest(), got, got.Body)
		}
		for name := range o.header {
			if got.Headers[name] != o.header.Get(name) {
				t.Errorf("%s: %q, want %q", name, got.Headers[name], o.header.Get(name))
			}
		}
		return !t.Failed()
	})
}

// printable makes a header of a number.
func printable(n uint32) string {
	var b strings.Builder
	for ; n > 0; n /= 95 {
		b.WriteByte(' ' + byte(n%95))
	}
	return "k" + b.String()
}
