package access_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/access"
)

// TestPlaces: each user has so many places at a time and no more, whatever others have; services
// and those without a token have any number.
func TestPlaces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 3).Draw(t, "most")
		places := access.NewPlaces(most)
		held := make(map[access.Identity][]func())
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			id := access.Identity{
				Kind:    access.Kind(rapid.IntRange(0, 2).Draw(t, "kind")),
				Subject: fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "subject")),
			}
			have := held[id]
			if len(have) > 0 && rapid.Bool().Draw(t, "release") {
				have[0]()
				have[0]() // the second call gives nothing back
				held[id] = have[1:]
				continue
			}
			release, ok := places.Take(&id)
			if want := id.Kind != access.User || len(have) < most; ok != want {
				t.Fatalf("%v has %d of %d and gets another: %v", id, len(have), most, ok)
			}
			if ok {
				held[id] = append(have, release)
			}
		}
	})
}
