package client

import (
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
)

// text is a key or an id, often with characters that are special in URLs and JSON pointers.
type text string

// Generate makes a text for [quick.Check].
func (text) Generate(r *rand.Rand, size int) reflect.Value {
	if r.Intn(2) == 0 {
		arbitrary, _ := quick.Value(reflect.TypeFor[string](), r)
		return arbitrary.Convert(reflect.TypeFor[text]())
	}
	return reflect.ValueOf(text(pick(r, `./~01%?#+&; "\é`, r.Intn(7))))
}

// pick returns n of these characters.
func pick(r *rand.Rand, characters string, n int) string {
	all := []rune(characters)
	var b strings.Builder
	for range n {
		b.WriteRune(all[r.Intn(len(all))])
	}
	return b.String()
}

// check calls a property with random arguments, until it is false.
func check(t *testing.T, property any) {
	t.Helper()
	if err := quick.Check(property, &quick.Config{MaxCount: 1000}); err != nil {
		t.Error(err)
	}
}
