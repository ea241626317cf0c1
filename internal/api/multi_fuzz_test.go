package api_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/outset-settings/outset/internal/api"
)

// FuzzMulti: whatever is sent as a batch, what is taken of it could be requests, and their bodies
// are spelt as in the batch.
func FuzzMulti(f *testing.F) {
	for _, seed := range []string{
		`{"operations":[` + aGet + `]}`,
		`{"operations":[{"method":"PUT","path":"/user/42/settings","headers":{"If-Match":"\"3\"","x":" y "},"body": { "a" : 1.0 } }]}`,
		"{\"operations\":[{\"body\":\"\xff\\ud800\",\"path\":\"/\",\"method\":\"GET\"},{\"method\":\"HEAD\",\"path\":\"/x\",\"body\":{\"a\":1,\"a\":2}}]}",
		`{"operations":[{"method":"GET","path":"/user/a b#"}]}`, `{"operations":[]}`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		sent := bytes.Clone(text)
		operations, err := api.ParseMulti(sent)
		if !bytes.Equal(sent, text) {
			t.Fatal("the text was changed")
		}
		if (err == nil) != (len(operations) > 0) || len(operations) > 100 {
			t.Fatalf("%d operations, %v", len(operations), err)
		}
		for _, o := range operations {
			if !strings.HasPrefix(o.Path, "/") || strings.ContainsAny(o.Path, " #\r\n\x00") ||
				o.Method == "" {
				t.Errorf("%q %q", o.Method, o.Path)
			}
			for _, h := range o.Header {
				if strings.ContainsAny(h[0]+h[1], "\r\n\x00") || strings.Contains(h[0], ":") {
					t.Errorf("the header %q", h)
				}
			}
			lenient := []jsontext.Options{
				jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true),
			}
			if o.Body != nil && (!bytes.Contains(text, o.Body) ||
				!jsontext.Value(o.Body).IsValid(lenient...)) {
				t.Errorf("the body %q", o.Body)
			}
		}
	})
}
