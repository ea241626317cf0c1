package access_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/access"
)

// TestShares: whatever others hold, none gets more than half of what they leave, who comes next
// gets something while anything is left, and what is given back is there again.
func TestShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Int64Range(1, 1000).Draw(t, "most")
		s := access.NewShares(most)
		held, all := make(map[string]int64), int64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			who := fmt.Sprint("user:", rapid.IntRange(0, 5).Draw(t, "who"))
			n := rapid.Int64Range(1, 50).Draw(t, "bytes")
			switch {
			case rapid.Bool().Draw(t, "releases") && held[who] >= n:
				s.Release(who, n)
				held[who] -= n
				all -= n
			case s.Take(who, n):
				held[who] += n
				if all += n; held[who] > most-(all-n) {
					t.Fatalf("%s holds %d, of %d that others left", who, held[who], most-(all-held[who]))
				}
			case n == 1 && held[who] == 0 && all < most:
				t.Fatalf("%s gets nothing of %d", who, most-all)
			}
			if s.Held() != all {
				t.Fatalf("%d are held, not %d", s.Held(), all)
			}
		}
	})
}

// TestSharesOfProxy: who stands for many gets everything.
func TestSharesOfProxy(t *testing.T) {
	t.Parallel()
	s := access.NewShares(8)
	for n := range 8 {
		if !s.Take("", 1) {
			t.Fatalf("no more than %d", n)
		}
	}
	if s.Take("", 1) {
		t.Error("more than there is")
	}
}
