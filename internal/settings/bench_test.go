package settings_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/settings"
)

// object returns an object of about so many bytes: members with values of two shapes.
func object(bytes int, value string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := 0; b.Len() < bytes-len(value)-20; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"key%05d":%s`, i, value)
	}
	b.WriteByte('}')
	return b.String()
}

// BenchmarkPatch measures patches of 64 KB, patches of documents of 64 KB, and both. Reading is
// BenchmarkPatch measures patches of 64 KB, of documents of 64 KB, and of both: how they are read
// and checked, and how they are applied, which reads them again.
func BenchmarkPatch(b *testing.B) {
	const size = 63 << 10
	few, many := object(size, `"`+strings.Repeat("x", 400)+`"`), object(size, `[1,true]`)
	set := func(value string) string { return `[{"op":"add","path":"/new","value":` + value + `}]` }
	steps := func(size int) string {
		var b strings.Builder
		for i := 0; b.Len() < size-80; i++ {
			fmt.Fprintf(&b, `,{"op":"add","path":"/key%05d","value":[1,true]}`, i)
		}
		return "[" + b.String()[1:] + "]"
	}
	for _, c := range []struct{ name, kind, patch, document string }{
		{"merge/small-of-few", "merge", `{"key00001":1}`, few},
		{"merge/small-of-many", "merge", `{"key00001":1}`, many},
		{"merge/few", "merge", few, `{}`},
		{"merge/many", "merge", many, `{}`},
		{"merge/nested", "merge", `{"in":` + many + `}`, `{}`},
		{"merge/many-of-many", "merge", many, many},
		{"json/small-of-many", "json", set("1"), many},
		{"json/many", "json", set(many), `{}`},
		{"json/few", "json", set(few), `{}`},
		{"json/steps", "json", steps(size), `{}`},
		{"json/steps-of-many", "json", steps(size), many},
		{"put/many", "put", many, `{}`},
	} {
		read := settings.DefaultLimits.MergePatch
		switch c.kind {
		case "json":
			read = settings.DefaultLimits.JSONPatch
		case "put":
			read = func(p []byte) (settings.Change, error) {
				err := settings.DefaultLimits.Check(p)
				return func([]byte) (settings.Next, error) { return settings.Next{}, err }, err
			}
		}
		change, err := read([]byte(c.patch))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name+"/read", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read([]byte(c.patch)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/apply", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := change([]byte(c.document)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
