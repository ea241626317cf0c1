package settings_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

var limits = settings.DefaultLimits

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
		"as deep as allowed":           {nested(limits.Depth), nil},
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
		"too deep":                     {nested(limits.Depth + 1), settings.ErrMalformed},
		"as large as allowed":          {`{"a":"` + strings.Repeat("x", limits.Bytes-8) + `"}`, nil},
		"too large":                    {`{"a":"` + strings.Repeat("x", limits.Bytes-7) + `"}`, settings.ErrTooLarge},
		"too large, nor JSON":          {strings.Repeat("[", limits.Bytes+1), settings.ErrTooLarge},
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
		"invalid first, malformed end": {`{"n":1e999,}`, settings.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkError(t, limits.Check([]byte(c.document)), c.want)
		})
	}
}

// In 64 KiB fewer keys fit than the default allows, so these limits allow more bytes.
var wideLimits = settings.Limits{Bytes: 1 << 20, Depth: 32, Keys: 10_000}

func TestCheckCountsKeys(t *testing.T) {
	t.Parallel()
	checkError(t, wideLimits.Check([]byte(manyKeys(wideLimits.Keys))), nil)
	checkError(t, wideLimits.Check([]byte(manyKeys(wideLimits.Keys+1))), settings.ErrInvalid)
	checkError(t, wideLimits.Check([]byte(`{"a":[`+manyKeys(5000)+`,`+manyKeys(5000)+`]}`)), settings.ErrInvalid)
}

func TestCheckSaysHowLargeItIs(t *testing.T) {
	t.Parallel()
	err := settings.Limits{Bytes: 10, Depth: 1, Keys: 1}.Check([]byte(`{"a":"12345"}`))
	checkError(t, err, settings.ErrTooLarge)
	for _, number := range []string{"10", "13"} {
		if !strings.Contains(err.Error(), number) {
			t.Errorf("%q doesn't say %s", err, number)
		}
	}
}

// FuzzCheck: whatever we accept is an object for the standard library too.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":null}]}`, `{"a":"\ud83d\ude00"}`, `[1e999]`, "\ufeff{}", nested(33)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		before := string(document)
		err := limits.Check(document)
		if string(document) != before {
			t.Fatal("the document was changed")
		}
		if err != nil {
			checkNamed(t, err)
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
		if err := limits.Check(document); err != nil {
			b.Fatal(err)
		}
	}
}
