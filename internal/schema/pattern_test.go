package schema_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/schema"
	"github.com/outset-settings/outset/internal/settings"
)

// TestPatternsAreECMAScript: regular expressions are those of ECMA-262 with the flag "u".
func TestPatternsAreECMAScript(t *testing.T) {
	t.Parallel()
	for pattern, texts := range map[string]struct{ match, differ []string }{
		`^\s$`: {
			[]string{" ", "\t", "\n", "\v", "\f", "\r", "\u00a0", "\ufeff", "\u2003", "\u2028", "\u2029", "\u3000"},
			[]string{"\u0085", "\u180e", "\u200b", "\x01", "x"},
		},
		`^\S$`:                   {[]string{"x", "\u0085", "\u200b"}, []string{" ", "\u00a0", "\ufeff", "\u2029"}},
		`^[^\s]$`:                {[]string{"x"}, []string{"\ufeff"}},
		`^.$`:                    {[]string{"x", "é", "😀", "\u0085", "\t"}, []string{"\n", "\r", "\u2028", "\u2029", "xx"}},
		`^[^]$`:                  {[]string{"\n", "\u2028", "x"}, []string{""}},
		`a$`:                     {[]string{"a", "ba"}, []string{"a\n"}},
		`^a`:                     {[]string{"ab"}, []string{"\na"}},
		`^\d$`:                   {[]string{"3"}, []string{"٣", "৪", "x"}},
		`^\w$`:                   {[]string{"a", "_"}, []string{"é", "-"}},
		`\bfoo\b`:                {[]string{"foo", "éfooé"}, []string{"food"}},
		`^(?=.*\d)(?!.*x).{2,}$`: {[]string{"a1"}, []string{"a1x", "ab"}},
		`(?<=\$)\d`:              {[]string{"$5"}, []string{"5"}},
		`(?<!\$)5`:               {[]string{"5"}, []string{"$5"}},
		`^\u0041$`:               {[]string{"A"}, []string{"u0041"}},
		`^\u{1F600}$`:            {[]string{"😀"}, []string{"u"}},
		`^\uD83D\uDE00$`:         {[]string{"😀"}, nil},
		`^\x41$`:                 {[]string{"A"}, []string{"x41"}},
		`^\cJ$`:                  {[]string{"\n"}, []string{"cJ", "J"}},
		`^\0$`:                   {[]string{"\x00"}, []string{"0"}},
		`^\p{Script=Greek}+$`:    {[]string{"αβγ"}, []string{"abc", ""}},
		`^\p{sc=Grek}$`:          {[]string{"α"}, []string{"a"}},
		`^\p{Letter}+$`:          {[]string{"éa", "日"}, []string{"1"}},
		`^\p{Lu}$`:               {[]string{"É"}, []string{"é"}},
		`^\P{Lu}$`:               {[]string{"é"}, []string{"É"}},
		`^\p{Emoji}$`:            {[]string{"😀"}, []string{"x"}},
		`^(a|b)\1$`:              {[]string{"aa", "bb"}, []string{"ab"}},
		`^(?<q>["']).*\k<q>$`:    {[]string{`"x"`, `'x'`}, []string{`"x'`}},
		`^x{0,2000}$`:            {[]string{"", strings.Repeat("x", 2000)}, []string{strings.Repeat("x", 2001)}},
		`^(a|b)*$`:               {[]string{strings.Repeat("ab", 30_000)}, []string{"abc"}},
	} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			text := `{"additionalProperties":{"pattern":` + strconv.Quote(pattern) + `}}`
			s, err := schema.CompileWithin([]byte(text), limits, time.Hour, time.Hour)
			checkError(t, err, nil)
			for _, text := range texts.match {
				if got := found(t, s, fmt.Sprintf(`{"a":%s}`, quoted(text))); got != "" {
					t.Errorf("%.20q should match: %s", text, got)
				}
			}
			for _, text := range texts.differ {
				if found(t, s, fmt.Sprintf(`{"a":%s}`, quoted(text))) == "" {
					t.Errorf("%.20q should not match", text)
				}
			}
		})
	}
}

func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if r < ' ' || r == '"' || r == '\\' {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// TestPatternsRefused: what is an error in ECMA-262, even if RE2 takes it.
func TestPatternsRefused(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{`(`, `a**`, `[b-a]`, `\p{Greek}`, `\pL`, `(?P<a>b)`, `x*+`, `\1`, `\u{110000}`} {
		_, err := schema.Compile([]byte(`{"pattern":`+strconv.Quote(pattern)+`}`), limits)
		if err == nil {
			t.Errorf("%s is taken", pattern)
			continue
		}
		checkError(t, err, settings.ErrSchema)
	}
}

// TestSlowMatch: a match that takes too long is a violation that says so, where it is.
func TestSlowMatch(t *testing.T) {
	t.Parallel()
	// It would take 2^60000 steps; the engine's clock ticks within some hundred milliseconds.
	hostile := strings.Repeat("a", 60_000) + "!"
	const reason = `takes too long to match the pattern "^(a+)+$"`
	for name, c := range map[string]struct{ schema, document, want string }{
		"a value":          {`{"additionalProperties":{"items":{"pattern":"^(a+)+$"}}}`, `{"x":["a","` + hostile + `"]}`, "/x/1: " + reason},
		"an escaped value": {`{"additionalProperties":{"pattern":"^(a+)+$"}}`, `{"x":"\u0061` + hostile[1:] + `"}`, "/x: " + reason},
		"in not":           {`{"additionalProperties":{"not":{"pattern":"^(a+)+$"}}}`, `{"x":"` + hostile + `"}`, "/x: " + reason},
		"a name": {
			`{"patternProperties":{"^(a+)+$":{"type":"string"}}}`, `{"x":1,"` + hostile[:200] + `!":1}`,
			"/" + hostile[:200] + "!: has a name that " + reason,
		},
		"a name with a pattern": {`{"propertyNames":{"pattern":"^(a+)+$"}}`, `{"` + hostile[:100] + `!":1}`, "/" + hostile[:100] + "!: has a name that " + reason},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := schema.CompileWithin([]byte(c.schema), limits, time.Millisecond, time.Hour)
			checkError(t, err, nil)
			if got := found(t, s, c.document); got != c.want {
				t.Errorf("got\n%.300s\nwant\n%.300s", got, c.want)
			}
		})
	}
}

// TestSlowMatches: none of them takes too long, but all of them together.
func TestSlowMatches(t *testing.T) {
	t.Parallel()
	s, err := schema.CompileWithin([]byte(`{"additionalProperties":{"pattern":"^a"}}`), limits, time.Hour, 0)
	checkError(t, err, nil)
	if got, want := found(t, s, `{"x":"a"}`), `/x: takes too long to match the pattern "^a"`; got != want {
		t.Errorf("got %s", got)
	}
}
