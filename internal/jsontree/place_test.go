package jsontree_test

import (
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/jsontree"
)

// TestErrorsNameThePlace: line and column of what is wrong, or the column in a text of one line.
func TestErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, what, place string }{
		"one line":              {`{"a":1,}`, "invalid character ','", ", at column 7"},
		"several lines":         {"{\n  \"a\": 1,\n  \"b\": tru\n}", "invalid", ", at line 3, column 11"},
		"characters, not bytes": {`{"é":x}`, "invalid character 'x'", ", at column 6"},
		"CR and LF":             {"{\r\n\"a\":x\r\n}", "invalid character 'x'", ", at line 2, column 5"},
		"an end of line alone":  {"{\"a\":x}\n", "invalid character", ", at column 6"},
		"a repeated key":        {"{\"a\":1,\n \"b\":{\"c\":1,\n  \"c\":2}}", `duplicate object member name "c" within "/b"`, ", at line 3, column 3"},
		"not UTF-8":             {"{\"a\":\n\"\xff\"}", `invalid UTF-8 within "/a"`, ", at line 2, column 2"},
		"cut off":               {"{\"a\":\n[1", "the JSON ends too early", ", at line 2, column 3"},
		"a byte order mark":     {"\ufeff{}", "invalid character '\\ufeff'", ", at column 1"},
		"a lone surrogate":      {`{"a":"x\ud83d"}`, `lone surrogate \ud83d, half of a character, in string within "/a"`, ", at column 8"},
		"the other half":        {"{\n\"a\":\"\\uDC00x\"}", `lone surrogate \uDC00`, ", at line 2, column 6"},
		"half of a key":         {`{"\ud83d":1}`, `lone surrogate \ud83d`, ", at column 3"},
	} {
		d := jsontree.NewDecoder([]byte(c.text))
		var err error
		for err == nil {
			_, err = d.ReadToken()
		}
		got := jsontree.Worded([]byte(c.text), err)
		if !strings.Contains(got, c.what) || !strings.HasSuffix(got, c.place) {
			t.Errorf("%s: %s\nwant %s%s", name, got, c.what, c.place)
		}
	}
	_, err := jsontree.Parse([]byte("{}\n {}"))
	if err == nil || err.Error() != "malformed: there is more after the value, at line 2, column 2" {
		t.Errorf("two values: %v", err)
	}
	// A pair is a character.
	if _, err := jsontree.Parse([]byte(`"\ud83d\ude00"`)); err != nil {
		t.Error(err)
	}
	if got := jsontree.Place([]byte("a"), -1) + jsontree.Place(nil, 7); got != "at column 1at column 1" {
		t.Errorf("beyond the text: %s", got)
	}
}
