package api_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/pkg/messages"
)

// FuzzImportLine: a line is taken only if it is an object that says what encoding/json reads in it,
// too, and what is taken can be asked of a worker.
func FuzzImportLine(f *testing.F) {
	for _, seed := range []string{
		`{"user":"a","settings":{"b":1.10}}`, `{"user":"a","text":" {\n}"}`, `{"end":true,"users":0}`, `{"end":true,"users":7}`, `[]`, `{"user":"a"}`,
		"{\"user\":\"\xff\",\"settings\":{}}", `{"\u0075ser":"\ud83d\ude00","settings":[ ]}`, `{"user":"a","settings":{},"settings":{}}`, `{"user":"a","text":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		const most = 100
		user, document, end, kind := api.ParseImportLine(text, most)
		if kind != "" || end {
			return
		}
		var want struct {
			User     *string
			Settings json.RawMessage
			Text     *string
		}
		// It takes names in any case; the last of several wins.
		if err := json.Unmarshal(text, &want); err != nil || want.User == nil {
			t.Fatalf("%q was taken: %v", text, err)
		}
		if err := messages.CheckUser(user); err != nil || len(document) > most {
			t.Errorf("%q: user %q, %d bytes: %v", text, user, len(document), err)
		}
		if bytes.Contains(bytes.ToLower(text), []byte(`\u`)) || bytes.Count(bytes.ToLower(text), []byte(`"user"`)) > 1 {
			return
		}
		if exact := bytes.Contains(text, []byte(`"user"`)); exact && *want.User != user {
			t.Errorf("%q: user %q", text, user)
		}
		if !bytes.Contains(text, document) && want.Text == nil {
			t.Errorf("%q: the document %q isn't in it", text, document)
		}
	})
}
