package worker_test

import (
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestKeyed: a write that was applied under other limits gets its first result when it is sent
// again. One that wasn't applied is refused, and so is one whose id isn't a client's key.
func TestKeyed(t *testing.T) {
	t.Parallel()
	nc := connect(t)
	db := open(t)
	deep := write(1, messages.ActionReplace, document(`{"a":{"b":{}}}`))
	deep.Keyed = true
	_, stop := start(t, nc, db, config)
	if got := do(t, nc, deep); got.Kind != "" || got.Version != 1 {
		t.Fatalf("%s", show(got))
	}
	stop()
	strict := config
	strict.MaxDepth = 1
	start(t, nc, db, strict)
	if got := do(t, nc, deep); got.Kind != "" || got.Version != 1 || !got.Replayed {
		t.Errorf("the repetition: %s", show(got))
	}
	another := deep
	another.ID = "2"
	if got := do(t, nc, another); got.Kind != messages.KindMalformed {
		t.Errorf("another: %s", show(got))
	}
	deep.Keyed = false
	if got := do(t, nc, deep); got.Kind != messages.KindMalformed {
		t.Errorf("with an id that is no key: %s", show(got))
	}
	if got := do(t, nc, read("ann")); got.Version != 1 {
		t.Errorf("%s", show(got))
	}
}
