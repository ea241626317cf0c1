package e2e

import (
	"slices"
	"testing"
)

// TestVerify: verify accepts what is right and finds each way of being wrong.
func TestVerify(t *testing.T) {
	t.Parallel()
	const user = "ann"
	log := func(version int64, number int) row {
		return row{
			User: user, Version: version, Operation: document(user, number),
			Document: document(user, number),
		}
	}
	// Documents 0 and 2 were acknowledged as versions 1 and 3, 1 and 3 are unknown, 4 was refused.
	good := []row{log(1, 0), log(2, 1), log(3, 2)}
	tests := map[string]struct {
		log      []row
		settings []row // nil: as the log says
		ok       bool
	}{
		"unknown one applied":     {log: good, ok: true},
		"both applied":            {log: append(slices.Clone(good), log(4, 3)), ok: true},
		"acknowledged one lost":   {log: good[:2]},
		"all lost":                {settings: []row{}},
		"gap":                     {log: []row{log(1, 0), log(3, 2)}},
		"other version than told": {log: []row{log(1, 0), log(2, 2)}},
		"version has another":     {log: []row{log(1, 0), log(2, 2), log(3, 1)}},
		"applied twice":           {log: append(slices.Clone(good), log(4, 2))},
		"refused and applied":     {log: append(slices.Clone(good), log(4, 4))},
		"never sent":              {log: append(slices.Clone(good), log(4, 5))},
		"same operation": {log: append(slices.Clone(good),
			row{
				User: user, Version: 4, Operation: good[0].Operation,
				Document: document(user, 3),
			})},
		"other bytes": {log: append(slices.Clone(good), row{User: user, Version: 4, Operation: "x", Document: `{"number":3}`})},
		"unknown user": {log: append(slices.Clone(good),
			row{User: "bob", Version: 1, Document: document("bob", 0)})},
		"settings behind":  {log: good, settings: good[1:2]},
		"settings missing": {log: good, settings: []row{}},
		"settings differ": {
			log:      good,
			settings: []row{{User: user, Version: 3, Document: document(user, 0)}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(user)
			for range 5 {
				l.write()
			}
			if err := l.acknowledge(0, 0, 1); err != nil {
				t.Fatal(err)
			}
			if err := l.acknowledge(2, 1, 3); err != nil {
				t.Fatal(err)
			}
			l.refuse(4)
			settings := test.settings
			if settings == nil {
				settings = test.log[len(test.log)-1:]
			}
			if err := verify(map[string]*ledger{user: l}, test.log,
				settings); (err == nil) != test.ok {
				t.Errorf("verify: %v", err)
			}
		})
	}
}

// TestLedger: the ledger refuses single answers that cannot be right.
func TestLedger(t *testing.T) {
	t.Parallel()
	l := newLedger("ann")
	refused := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	accepted := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	accepted(l.read(0, 0, "{}"))
	refused("a document before the first write", l.read(0, 0, document("ann", 0)))
	refused("a document that was never sent", l.read(0, 1, document("ann", 0)))

	first, before := l.write()
	// seen by another before its writer has the answer
	accepted(l.read(0, 1, document("ann", first)))
	accepted(l.acknowledge(first, before, 1))
	refused("a stale read", l.read(1, 0, "{}"))
	refused("a document of another user", l.read(1, 1, document("bob", first)))

	second, before := l.write()
	refused("a version left out", l.acknowledge(second, before, 3))
	third, before := l.write()
	accepted(l.acknowledge(third, before, 2))
	fourth, before := l.write()
	refused("a version given twice", l.acknowledge(fourth, before, 2))
}
