package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
	"github.com/outset-settings/outset/internal/testwait"
	"github.com/outset-settings/outset/pkg/store"
)

// TestSilentPrimary: the primary doesn't answer any more, and tells nobody: it is frozen, or what
// is sent to it is lost. A standby takes over. Whoever waits for the old primary is told, nobody
// asks it again, and writes go on, though each wait for an answer would take minutes. When the old
// primary comes back, still sure to be the primary, it isn't used.
func TestSilentPrimary(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts two servers")
	}
	for name, silence := range map[string]func(*testing.T, string) (address string, begin, end func()){
		"vanished": vanishing, "frozen": freezing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t)
			standby := p.Standby()
			primary, begin, end := silence(t, p.Primary())
			s, err := store.OpenWith(t.Context(), pgtest.Either(t, primary, standby), store.Timeouts{
				Commit: store.Patient, Connect: store.Patient,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			writers, goOn, stop := startWriters(t, s)
			goOn("before", 20)
			begin()
			watching, cancel := context.WithCancel(t.Context())
			var watch sync.WaitGroup
			t.Cleanup(watch.Wait)
			t.Cleanup(cancel)
			watch.Go(func() { follow(watching, s) })
			execute(t, standby, `select pg_promote()`)
			promoted := time.Now()
			goOn("afterwards", 1)
			t.Logf("all were written %v after the promotion", time.Since(promoted))
			end()
			goOn("when the old one is back", 20)
			if host, want := s.Primary(), parse(t, standby).Host; host != want {
				t.Errorf("it uses %s, not %s", host, want)
			}
			stop()
			now := reopenAs(t, standby)
			for _, w := range writers {
				found, err := now.Read(t.Context(), current(w.user))
				if n := w.acknowledged.Load(); err != nil || found[0].Version < n {
					t.Errorf("%s has %+v, %v; %d were acknowledged", w.user, found, err, n)
				}
			}
			checkLog(t, connect(t, standby))
		})
	}
}

// follow does what a worker does about a database that doesn't answer.
func follow(ctx context.Context, s *store.Store) {
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		if s.Ping(asking) != nil {
			following, end := context.WithTimeout(ctx, time.Second)
			s.FollowPrimary(following)
			end()
		}
		cancel()
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// vanishing puts a wire before the primary, on which nothing passes from begin to end.
func vanishing(t *testing.T, primary string) (address string, begin, end func()) {
	w, address := onWire(t, primary)
	return address, func() { w.gone.Store(true) }, func() { w.gone.Store(false); w.cut() }
}

// freezing stops all processes of the primary from begin to end.
func freezing(t *testing.T, primary string) (address string, begin, end func()) {
	var processes []int
	send := func(s syscall.Signal) {
		for _, pid := range processes {
			if err := syscall.Kill(pid, s); err != nil && s == syscall.SIGSTOP {
				t.Errorf("stopping %d: %v", pid, err)
			}
		}
	}
	end = func() { send(syscall.SIGCONT) }
	t.Cleanup(end)
	var data string
	err := connect(t, primary).QueryRow(t.Context(), `show data_directory`).Scan(&data)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(file), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return primary, func() {
		processes = []int{postmaster} // it starts no more
		send(syscall.SIGSTOP)
		processes = append(processes, childrenOf(t, postmaster)...)
		send(syscall.SIGSTOP)
	}, end
}

func childrenOf(t *testing.T, parent int) (children []int) {
	t.Helper()
	file, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", parent))
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range strings.Fields(string(file)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			t.Fatal(err)
		}
		children = append(children, pid)
	}
	return children
}

// TestClosingTakesNoPlace: connections that are being closed, which takes long where the server
// doesn't answer, take no place of the pool.
func TestClosingTakesNoPlace(t *testing.T) {
	t.Parallel()
	_, address := open(t)
	w, address := onWire(t, address)
	s := reopenAs(t, address)
	write(t, s, replace(t, "ann", "1", `{}`))
	w.gone.Store(true)
	t.Cleanup(w.cut) // which ends the waiting
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Read(ctx, current("ann")); err == nil {
		t.Error("it was read")
	}
	testwait.Until(t, store.Patient, "the place is free", func() bool { return s.Places() == 0 })
	if w.serving.Load() == 0 {
		t.Error("the connection was closed before")
	}
}
