package client

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tokens are keys and ids, often with characters that are special in URLs and JSON pointers.
func tokens() *rapid.Generator[string] {
	special := rapid.RuneFrom([]rune(`./~01%?#+&; "\é`))
	return rapid.OneOf(rapid.String(), rapid.StringOfN(special, 0, 6, -1))
}

// TestPathProperty: a path survives as a JSON pointer, with and without its first slash, and as a
// part of a URL.
func TestPathProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		path := Path(rapid.SliceOfN(tokens(), 1, 5).Draw(t, "path"))
		if got, err := ParsePath(path.String()); err != nil || !reflect.DeepEqual(got, path) {
			t.Fatalf("%q became %q, %v", path.String(), got, err)
		}
		if short := path.String()[1:]; short != "" && short[0] != '/' {
			if got, err := ParsePath(short); err != nil || !reflect.DeepEqual(got, path) {
				t.Fatalf("%q became %q, %v", short, got, err)
			}
		}
		inURL := "http://a/user/1/settings" + path.escaped()
		u, err := url.Parse(inURL)
		if err != nil || u.RawQuery != "" || u.Fragment != "" ||
			"http://a"+u.EscapedPath() != inURL {
			t.Fatalf("%q is sent as %q, %v", inURL, u.EscapedPath(), err)
		}
		if got := lastSegments(u.EscapedPath(), len(path)); !reflect.DeepEqual(got, path) {
			t.Fatalf("%q became %q", inURL, got)
		}
	})
}

// TestSubrequestProperty: the body of a subrequest has the bytes of the operation's, but for white
// space around it.
func TestSubrequestProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.StringN(1, 20, -1).Draw(t, "user")
		quoted, err := json.Marshal(tokens().Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		body := rapid.StringMatching(`[ \n\t]{0,2}`).Draw(t, "before") +
			`{"a" :` + string(quoted) + `, "n": 1.0}` +
			rapid.StringMatching(`[ \n]?`).Draw(t, "after")
		key := rapid.StringMatching(`[ -~]+`).Draw(t, "key")
		o := OpPut(user, json.RawMessage(body), IdempotencyKey(key))
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
			t.Fatalf("%s: %+v (%q)", o.subrequest(), got, got.Body)
		}
		for name := range o.header {
			if got.Headers[name] != o.header.Get(name) {
				t.Fatalf("%s: %q, want %q", name, got.Headers[name], o.header.Get(name))
			}
		}
	})
}
