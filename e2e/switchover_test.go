package e2e

import (
	"context"
	"testing"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// TestSwitchover: the primary and its standby change their roles twice under load through two APIs,
// as for an upgrade of each. It takes so long that each worker notices. No request fails.
func TestSwitchover(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	p := pgtest.StartPair(t)
	s.database, s.workers = p.Either(), p.Either()
	s.migrateAs(s.bin, p.Either())
	for range workersAtOnce {
		s.newWorker()
	}
	grace := "WORKER_GRACE=1m" // for a busy machine; with the default of 3 s it is the same
	bases := []string{s.newAPI(grace), s.newAPI(grace)}
	l := startLoad(t, bases[0], "undisturbed")
	l.through(bases...)
	s.do(l.settle(ctx, 300))
	for _, name := range []string{"to the standby", "and back"} {
		for _, base := range bases {
			s.do(ready(ctx, base))
		}
		l.phase(name)
		p.Switch(func() {
			for _, base := range bases {
				s.do(unready(ctx, base))
			}
		})
		s.do(l.settle(ctx, 300))
	}
	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	s.verify(l)
}
