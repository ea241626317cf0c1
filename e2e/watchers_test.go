package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	watchersVariable = "E2E_WATCHERS" // how many, if not as below
	watchersOfOne    = 2              // user
	changesAtOnce    = 8
	heartbeat        = time.Second
)

// TestWatchersConverge: each watcher comes to see the last version of its user and never an older
// one after a newer, though every third notification is lost and a worker is killed. It logs what
// that took.
func TestWatchersConverge(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	s.bin = programsWithoutRace(t)
	n := short(400, 1000)
	if text := os.Getenv(watchersVariable); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		s.do(err)
	}
	const lossy = "OUTSET_FAILPOINTS=worker/change-lost=30%"
	victim, _ := s.newWorker(lossy), s.newWorker(lossy)
	// All come from one address, which may have half of the places.
	api, base := s.api(s.bin, "EVENTS_HEARTBEAT="+heartbeat.String(),
		"MAX_WATCHERS="+strconv.Itoa(2*n))

	w := &watching{
		system: s, base: base, all: make([]*watcher, n), versions: make([]int64, n/watchersOfOne),
	}
	before := memoryOf(t, api)
	s.do(w.open())
	s.do(waitFor(ctx, "a heartbeat for all", func(context.Context) error {
		return w.each(func(w *watcher) bool { return w.beats > 0 })
	}))
	after := memoryOf(t, api)

	changes := short(400, 1000)
	s.do(w.change(changes, victim.kill))
	s.do(waitFor(ctx, "all watchers to see the last versions", func(context.Context) error {
		return w.each(func(one *watcher) bool { return one.version == w.versions[one.user] })
	}))
	w.close()
	w.report(t)
	t.Logf("memory: %d MiB with no watcher, %d MiB with %d idle ones (%d KiB each), %d MiB at the end",
		before>>20, after>>20, n, (after-before)/int64(n)>>10, memoryOf(t, api)>>20)
}

// memoryOf is the resident memory of a program in bytes.
func memoryOf(t *testing.T, p *program) int64 {
	t.Helper()
	pid := strconv.Itoa(p.cmd.Process.Pid)
	if statm, err := os.ReadFile("/proc/" + pid + "/statm"); err == nil {
		var size, resident int64 // in pages
		if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
			t.Fatal(err)
		}
		return resident * int64(os.Getpagesize())
	}
	out, err := exec.Command("ps", "-o", "rss=", "-p", pid).Output()
	if err != nil {
		t.Fatal(err)
	}
	kilobytes, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// watching is all watchers of a test and the users whom they follow.
type watching struct {
	*system

	base     string
	all      []*watcher
	versions []int64 // of the users, as acknowledged
}

// watcher is one connection that follows one user's changes.
type watcher struct {
	user int
	conn net.Conn

	mu      sync.Mutex
	version int64
	beats   int
	delays  []time.Duration // from the commit, by the database's clock, to here
	err     error
}

// open connects all of them and waits until each has been told its user's version.
func (w *watching) open() error {
	const atOnce = 32
	var dialing sync.WaitGroup
	indexes := make(chan int)
	for range atOnce {
		dialing.Go(func() {
			for i := range indexes {
				w.all[i] = &watcher{user: i % len(w.versions), version: -1}
				if conn, err := net.Dial("tcp", strings.TrimPrefix(w.base, "http://")); err != nil {
					w.all[i].err = err
				} else {
					w.all[i].conn = conn
					go w.all[i].listen()
				}
			}
		})
	}
	for i := range w.all {
		indexes <- i
	}
	close(indexes)
	dialing.Wait()
	return waitFor(w.ctx, "all to be watching", func(context.Context) error {
		return w.each(func(one *watcher) bool { return one.version >= 0 })
	})
}

// listen reads the stream to its end.
func (w *watcher) listen() {
	_, err := fmt.Fprintf(w.conn, "GET /user/%d/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", w.user)
	lines := bufio.NewScanner(w.conn)
	for err == nil && lines.Scan() {
		now := time.Now()
		line := lines.Text()
		data, isData := strings.CutPrefix(line, "data: ")
		w.mu.Lock()
		switch {
		case isData:
			err = w.changed(data, now)
		case strings.HasPrefix(line, ": "):
			w.beats++
		}
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func (w *watcher) changed(data string, now time.Time) error {
	var change struct {
		Version int64
		Time    time.Time
	}
	if err := json.Unmarshal([]byte(data), &change); err != nil {
		return err
	}
	if change.Version <= w.version {
		return fmt.Errorf("version %d after %d", change.Version, w.version)
	}
	if w.version >= 0 {
		w.delays = append(w.delays, now.Sub(change.Time))
	}
	w.version = change.Version
	return nil
}

// each returns an error unless the condition holds for all.
func (w *watching) each(condition func(*watcher) bool) error {
	left := 0
	for i, one := range w.all {
		one.mu.Lock()
		err, holds := one.err, condition(one)
		one.mu.Unlock()
		if err != nil {
			return fmt.Errorf("watcher %d: %w", i, err)
		}
		if !holds {
			left++
		}
	}
	if left > 0 {
		return fmt.Errorf("%d of %d are not yet", left, len(w.all))
	}
	return nil
}

// change changes n users at random, a few at a time, and calls atHalf in the middle.
func (w *watching) change(n int, atHalf func()) error {
	var (
		all errgroup.Group
		mu  sync.Mutex
	)
	all.SetLimit(changesAtOnce)
	for i := range n {
		if i == n/2 {
			atHalf()
		}
		all.Go(func() error {
			user := rand.IntN(len(w.versions))
			a, err := w.send(w.base, call{
				method: http.MethodPut, path: settingsOf(strconv.Itoa(user)), body: `{}`,
				header: []string{isJSON},
			})
			if err != nil {
				return err
			}
			version, err := strconv.ParseInt(strings.Trim(a.header.Get("ETag"), `"`), 10, 64)
			if a.status != http.StatusOK || err != nil {
				return fmt.Errorf("user %d: %v", user, a)
			}
			mu.Lock()
			defer mu.Unlock()
			w.versions[user] = max(w.versions[user], version)
			return nil
		})
	}
	return all.Wait()
}

func (w *watching) close() {
	for _, one := range w.all {
		_ = one.conn.Close()
	}
}

// report tells how long changes took to their watchers.
func (w *watching) report(t *testing.T) {
	t.Helper()
	var delays []time.Duration
	for _, one := range w.all {
		one.mu.Lock()
		delays = append(delays, one.delays...)
		one.mu.Unlock()
	}
	slices.Sort(delays)
	late, _ := slices.BinarySearch(delays, heartbeat/10)
	at := func(share float64) time.Duration { return delays[int(share*float64(len(delays)-1))] }
	t.Logf("%d events to %d watchers: p50 %v, p99 %v, at most %v; %d came only with the check (every %v), of the others p99 %v",
		len(delays), len(w.all), at(0.5), at(0.99), at(1), len(delays)-late, heartbeat,
		delays[max(0, late*99/100-1)])
}
