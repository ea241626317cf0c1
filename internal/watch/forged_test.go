package watch_test

import (
	"math"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestForgedChange: a change that the database knows nothing of is not told, and hides none that is
// real: neither one that is notified, nor one that a check finds.
func TestForgedChange(t *testing.T) {
	t.Parallel()
	s := newSource(t, often)
	number, document := s.watch("a", false), s.watch("a", true)
	number.hears(0)
	document.hears(0)
	for _, version := range []int64{math.MaxInt64, 5, 2} {
		s.publish("a", messages.Changed{Version: version, Modified: 1})
	}
	s.publish("a", messages.Changed{Version: -1}, messages.Changed{Version: 1, Modified: -1})
	s.set("a", 1, `{}`) // without a notification
	number.hears(1)
	document.hears(1)
	s.publish("a", messages.Changed{Version: math.MaxInt64}, s.set("a", 2, `{}`))
	number.hears(2)
	document.hears(2)
}

// TestVersionGoesBack: the database is right, also where a backup was restored.
func TestVersionGoesBack(t *testing.T) {
	t.Parallel()
	s := newSource(t, often)
	s.set("a", 9, `{"new":true}`)
	number, document := s.watch("a", false), s.watch("a", true)
	number.hears(9)
	document.hears(9)
	s.set("a", 3, `{"old":true}`)
	number.hears(3)
	document.hears(3)
	s.publish("a", s.set("a", 4, `{}`))
	number.hears(4)
	document.hears(4)
}

// TestFloodOfForgedChanges costs a few reads, and the others hear of their changes.
func TestFloodOfForgedChanges(t *testing.T) {
	t.Parallel()
	s := newSource(t, seldom)
	victim, other := s.watch("a", true), s.watch("b", false)
	victim.hears(0)
	other.hears(0)
	for i := range int64(20_000) {
		s.publish("a", messages.Changed{Version: i + 1})
		if i%1000 == 0 {
			if err := s.nc.Flush(); err != nil { // else the client's buffer may overflow
				t.Fatal(err)
			}
		}
	}
	s.publish("b", s.set("b", 1, `{}`)) // comes after them
	other.hears(1)
	if n := s.read(messages.ActionRead) + s.read(messages.ActionReadNumber); n > 30 {
		t.Errorf("%d reads", n)
	}
	s.set("a", 1, `{}`)
	s.publish("b", s.set("b", 2, `{}`))
	other.hears(2)
}
