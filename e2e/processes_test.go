package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
)

const (
	workersAtOnce = 3
	kills         = 8
)

// TestWorkersDieUnderLoad kills, freezes and stops workers under load, and compares the answers
// with the data. Nothing may be lost, applied twice or refused: a dead worker costs time only.
func TestWorkersDieUnderLoad(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	var workers []*program
	for range workersAtOnce {
		workers = append(workers, s.newWorker())
	}
	api, base := s.api(s.bin)

	l := startLoad(t, base, "undisturbed")
	s.do(l.settle(ctx, 300))

	l.phase(fmt.Sprintf("%d SIGKILLs", kills))
	for range kills {
		victim := rand.N(len(workers))
		workers[victim].kill()
		// Requests of the dead one still wait for their answer while the new one starts.
		workers[victim] = s.newWorker()
		s.do(l.settle(ctx, 100))
	}

	l.phase("SIGSTOP, SIGCONT")
	victim := workers[rand.N(len(workers))]
	s.do(victim.signal(syscall.SIGSTOP))
	// A request would fail if the API drew the frozen worker at each of its three attempts. If the
	// API drew anew each time, one in 27 would; so many requests see it.
	s.do(l.settle(ctx, 300))
	s.do(victim.signal(syscall.SIGCONT))
	s.do(l.settle(ctx, 300)) // and the late work has come to its end beside these

	l.phase("SIGTERM one by one")
	for i := range workers {
		s.do(workers[i].terminate(ctx))
		workers[i] = s.newWorker()
	}
	s.do(l.settle(ctx, 300))

	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	s.do(api.terminate(ctx))
	for _, w := range workers {
		s.do(w.terminate(ctx))
	}
	s.verify(l)
}

// TestRollingRestarts restarts every worker and both APIs, one at a time and in random order, under
// load through both APIs. As behind a load balancer, an API gets no new requests once it is told to
// stop. No request fails.
func TestRollingRestarts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	workers := make([]*program, workersAtOnce)
	for i := range workers {
		workers[i] = s.newWorker()
	}
	var (
		apis  [2]*program
		bases [2]string
	)
	for i := range apis {
		apis[i], bases[i] = s.api(s.bin)
	}
	l := startLoad(t, bases[0], "undisturbed")
	l.through(bases[:]...)
	s.do(l.settle(ctx, 300))
	for _, i := range rand.Perm(len(workers) + len(apis)) {
		if i < len(workers) {
			l.phase(fmt.Sprint("worker ", i))
			s.do(workers[i].terminate(ctx))
			workers[i] = s.newWorker()
		} else {
			i -= len(workers)
			l.phase(fmt.Sprint("API ", i))
			l.through(bases[1-i])
			s.do(apis[i].terminate(ctx))
			apis[i], bases[i] = s.api(s.bin)
			l.through(bases[0], bases[1])
		}
		s.do(l.settle(ctx, 200))
	}
	l.finish()
	if err := l.report(t); err != nil {
		t.Error(err)
	}
	s.verify(l)
}
