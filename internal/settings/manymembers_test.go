package settings_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestManyMembersModel: an object that is large enough for a map, and for removed members to be
// dropped, keeps order and values. The model is a slice of keys.
func TestManyMembersModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var model []string
		spelt := func() string {
			members := make([]string, len(model))
			for i, key := range model {
				members[i] = `"` + key + `":` + key
			}
			return "{" + strings.Join(members, ",") + "}"
		}
		for i := range rapid.IntRange(0, 200).Draw(t, "size") {
			model = append(model, fmt.Sprint(i))
		}
		document := spelt()
		var patch []string
		for range rapid.IntRange(1, 8).Draw(t, "turns") {
			first, n := rapid.IntRange(0, 200).Draw(t, "first"), rapid.IntRange(1, 150).Draw(t, "n")
			operation := rapid.SampledFrom([]string{"add", "remove", "remove", "move"}).Draw(t,
				"operation")
			for i := range n {
				key := fmt.Sprint(first + i)
				at := slices.Index(model, key)
				switch {
				case operation == "add":
					patch = append(patch, `{"op":"add","path":"/`+key+`","value":`+key+`}`)
					if at < 0 {
						model = append(model, key)
					}
					continue
				case at < 0:
					continue
				case operation == "remove":
					patch = append(patch, `{"op":"remove","path":"/`+key+`"}`)
				default: // there and back, to the end
					patch = append(patch, `{"op":"move","from":"/`+key+`","path":"/x"}`, `{"op":"move","from":"/x","path":"/`+key+`"}`)
				}
				model = slices.Delete(model, at, at+1)
				if operation == "move" {
					model = append(model, key)
				}
			}
		}
		want := spelt()
		patch = append(patch, `{"op":"test","path":"","value":`+want+`}`)
		next, err := outcome(wideLimits.JSONPatch, document, "["+strings.Join(patch, ",")+"]")
		if err != nil {
			t.Fatal(err)
		}
		if string(next.Document) != want {
			t.Fatalf("it is %s, want %s", next.Document, want)
		}
	})
}
