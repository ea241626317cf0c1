package access_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outset-settings/outset/internal/access"
)

// TestLimiter: each has what they may send, whatever the others send.
func TestLimiter(t *testing.T) {
	t.Parallel()
	l := access.NewLimiter(10, 3)
	now := time.Now()
	ann, bob := &access.Identity{Kind: access.User, Subject: "ann"}, &access.Identity{Kind: access.User, Subject: "bob"}
	service := &access.Identity{Kind: access.Service, Subject: "ann"}
	for n := range 20 {
		if q, ok := l.Take(ann, now); !ok || q.Left != 19-n || q.Limit != 20 || q.Window != 2 || q.Policy != "user" {
			t.Fatalf("request %d: %+v, %v", n, q, ok)
		}
	}
	for range 3 {
		if q, ok := l.Take(ann, now); ok || q.Left != 0 || q.Reset != 1 {
			t.Errorf("one too many: %+v, %v", q, ok)
		}
	}
	if q, ok := l.Take(bob, now); !ok || q.Left != 19 {
		t.Errorf("another user: %+v, %v", q, ok)
	}
	if q, ok := l.Take(service, now); !ok || q.Left != 5 || q.Policy != "token" {
		t.Errorf("a service of the same name: %+v, %v", q, ok)
	}
	if _, ok := l.Take(ann, now.Add(100*time.Millisecond)); !ok {
		t.Error("it doesn't fill again")
	}
	if q, ok := access.NewLimiter(0, 0).Take(ann, now); !ok || q.Policy != "" {
		t.Errorf("without a limit: %+v, %v", q, ok)
	}
	if _, ok := l.Take(&access.Identity{}, now); !ok {
		t.Error("who has no token is limited")
	}
}

// TestBounded: it never keeps too many, and keeps what is used.
func TestBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(32, 500).Draw(t, "most")
		keys := rapid.SliceOfN(rapid.IntRange(0, 10_000), 1, 2000).Draw(t, "keys")
		kept, first := access.Kept(most, keys)
		if kept > most {
			t.Fatalf("%d of at most %d are kept", kept, most)
		}
		if !first {
			t.Fatal("what is used all the time is gone")
		}
	})
}

// BenchmarkLimiter is what a request costs that is counted.
func BenchmarkLimiter(b *testing.B) {
	l := access.NewLimiter(1<<30, 0)
	ids := make([]*access.Identity, 1000)
	for i := range ids {
		ids[i] = &access.Identity{Kind: access.User, Subject: fmt.Sprint("user-", i)}
	}
	now := time.Now()
	for i := 0; b.Loop(); i++ {
		l.Take(ids[i%len(ids)], now)
	}
}
