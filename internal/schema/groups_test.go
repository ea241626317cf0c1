package schema

import "testing"

// TestGroups: how deep groups are nested is never told too low, whatever hides a bracket.
func TestGroups(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]int{
		``: 0, `a`: 0, `(a)(b)`: 1, `((a)|(?:b(?=c)))`: 3, `\((\))`: 1, `[)](a)`: 1, `[a\])](b)`: 1,
		`(([])))])(a))`: 2, `(([^])))])(a))`: 2, "(?x)((a # ))\n(b)))": 3, `(?#[)(a)`: 2,
	} {
		if got := groups(says); got != want {
			t.Errorf("%q: %d, want %d", says, got, want)
		}
	}
}
