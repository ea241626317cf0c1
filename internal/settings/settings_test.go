package settings_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1)
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return `{` + b.String()[1:] + `}`
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		document string
		want     error
	}{
		"empty object":                 {`{}`, nil},
		"white space around":           {" \n{ \"a\" : 1 }\t\r\n", nil},
		"large integer":                {`{"n":9007199254740993}`, nil},
		"trailing zero":                {`{"n":1.10}`, nil},
		"emoji, right to left":         {`{"😀":"שלום"}`, nil},
		"__proto__":                    {`{"__proto__":{"a":1}}`, nil},
		"escaped NUL":                  {`{"a":"\u0000"}`, nil},
		"surrogate pair":               {`{"a":"\ud83d\ude00"}`, nil},
		"as deep as allowed":           {nested(settings.MaxDepth), nil},
		"a key as long as allowed":     {`{"` + strings.Repeat("k", settings.MaxKey) + `":1}`, nil},
		"smallest double":              {`{"n":5e-324}`, nil},
		"no bytes":                     {``, settings.ErrMalformed},
		"blank":                        {" \n", settings.ErrMalformed},
		"byte order mark":              {"\ufeff{}", settings.ErrMalformed},
		"UTF-16":                       {"\xff\xfe{\x00}\x00", settings.ErrMalformed},
		"truncated":                    {`{"a":`, settings.ErrMalformed},
		"truncated in a string":        {`{"a":"b`, settings.ErrMalformed},
		"two values":                   {`{} {}`, settings.ErrMalformed},
		"rest after the object":        {`{}x`, settings.ErrMalformed},
		"comment":                      {`{/**/}`, settings.ErrMalformed},
		"trailing comma":               {`{"a":1,}`, settings.ErrMalformed},
		"NaN":                          {`{"a":NaN}`, settings.ErrMalformed},
		"single quotes":                {`{'a':1}`, settings.ErrMalformed},
		"repeated key":                 {`{"a":1,"a":2}`, settings.ErrMalformed},
		"repeated key, escaped":        {`{"a":1,"\u0061":2}`, settings.ErrMalformed},
		"repeated key, nested":         {`{"x":[{"a":1,"a":2}]}`, settings.ErrMalformed},
		"invalid UTF-8":                {"{\"a\":\"\xff\"}", settings.ErrMalformed},
		"lone surrogate":               {`{"a":"\ud800"}`, settings.ErrMalformed},
		"control character":            {"{\"a\":\"\x01\"}", settings.ErrMalformed},
		"too deep":                     {nested(settings.MaxDepth + 1), settings.ErrMalformed},
		"a bomb of brackets":           {strings.Repeat("[", 65_536), settings.ErrMalformed},
		"array":                        {`[]`, settings.ErrInvalid},
		"string":                       {`"a"`, settings.ErrInvalid},
		"number":                       {`1`, settings.ErrInvalid},
		"null":                         {`null`, settings.ErrInvalid},
		"not an object, nor JSON":      {`[1,`, settings.ErrMalformed},
		"beyond a double":              {`{"n":1e999}`, settings.ErrInvalid},
		"beyond a double, negative":    {`{"n":[-1e999]}`, settings.ErrInvalid},
		"too many digits":              {`{"n":1` + strings.Repeat("0", settings.MaxDigits) + `}`, settings.ErrInvalid},
		"a key too long":               {`{"` + strings.Repeat("k", settings.MaxKey+1) + `":1}`, settings.ErrInvalid},
		"as many keys as allowed":      {manyKeys(settings.MaxKeys), nil},
		"too many keys":                {manyKeys(settings.MaxKeys + 1), settings.ErrInvalid},
		"invalid first, malformed end": {`{"n":1e999,}`, settings.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := settings.Check([]byte(c.document)); !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
				t.Errorf("Check: %v, want %v", err, c.want)
			}
		})
	}
}

func TestReplaceKeepsTheBytes(t *testing.T) {
	t.Parallel()
	document := []byte(" {\"b\":1.10,\n\"a\":9007199254740993} ")
	change, err := settings.Replace(document)
	if err != nil {
		t.Fatal(err)
	}
	next, err := change([]byte(`{"old":true}`))
	if err != nil || string(next) != string(document) {
		t.Errorf("next is %q, %v", next, err)
	}
	if _, err := settings.Replace([]byte(`[]`)); !errors.Is(err, settings.ErrInvalid) {
		t.Errorf("an array was taken: %v", err)
	}
}

// FuzzCheck: whatever we accept is an object for the standard library too.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":null}]}`, `{"a":"\ud83d\ude00"}`, `[1e999]`, "\ufeff{}", nested(33)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		before := string(document)
		err := settings.Check(document)
		if string(document) != before {
			t.Fatal("the document was changed")
		}
		if err != nil {
			if !errors.Is(err, settings.ErrMalformed) && !errors.Is(err, settings.ErrInvalid) {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(document, &object); err != nil || object == nil {
			t.Fatalf("accepted %q, the standard library says %v", document, err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	document := []byte(`{"theme":"dark","language":"fr","n":[1,2,3.5],"pad":"` + strings.Repeat("x", 330) + `"}`)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		if err := settings.Check(document); err != nil {
			b.Fatal(err)
		}
	}
}
