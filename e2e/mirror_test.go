package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const changesPerSecond = 200

// TestMirrorConverges: a copy of all users that follows their changes equals the table at the end,
// though every third notification is lost and a worker and an API are killed. It logs what that
// took.
func TestMirrorConverges(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s := newSystem(ctx, t)
	s.bin = programsWithoutRace(t)
	users, seconds := short(2000, 20_000), short(6, 30)
	const lossy = "OUTSET_FAILPOINTS=worker/change-lost=30%"
	worker, _ := s.newWorker(lossy), s.newWorker(lossy)
	first, firstBase := s.api(s.bin)
	second, secondBase := s.api(s.bin)
	s.do(s.importUsers(secondBase, users))

	before := memoryOf(t, second)
	m := &mirror{bases: []string{firstBase, secondBase}, users: make(map[string]string)}
	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { m.follow(ctx) })
	s.do(waitFor(ctx, "the mirror to have caught up", func(context.Context) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if !m.live {
			return fmt.Errorf("it has %d users", len(m.users))
		}
		return nil
	}))
	s.do(s.changeUsers(secondBase, users, seconds*changesPerSecond, map[int]func(){
		seconds * changesPerSecond / 3:     worker.kill,
		seconds * changesPerSecond / 3 * 2: first.kill,
	}))
	s.do(waitFor(ctx, "the mirror to equal the table", func(context.Context) error {
		return m.equals(ctx, s.database)
	}))
	stop()
	following.Wait()
	slices.Sort(m.delays)
	at := func(share float64) time.Duration { return m.delays[int(share*float64(len(m.delays)-1))] }
	t.Logf("%d users, %d changes: %d events in %d connections, from commit to mirror p50 %v, "+
		"p99 %v, at most %v; memory of the API %d MiB before, %d MiB at the end", users,
		seconds*changesPerSecond, len(m.delays), m.connections, at(0.5), at(0.99), at(1),
		before>>20, memoryOf(t, second)>>20)
}

// importUsers makes users "0" and so on.
func (s *system) importUsers(base string, users int) error {
	var lines strings.Builder
	for i := range users {
		fmt.Fprintf(&lines, `{"user":"%d","settings":{"n":0}}`+"\n", i)
	}
	a, err := s.send(base, call{
		method: http.MethodPost, path: "/users/import", body: lines.String(),
		header: []string{"Content-Type: application/x-ndjson", "Prefer: return=minimal"},
	})
	if err == nil && !strings.Contains(a.body, fmt.Sprintf(`"applied":%d`, users)) {
		err = fmt.Errorf("the import: %s", a.body)
	}
	return err
}

// changeUsers changes so many users at random at an even pace, a few by deletion or erasure.
func (s *system) changeUsers(base string, users, changes int, at map[int]func()) error {
	var all errgroup.Group
	all.SetLimit(64)
	tick := time.NewTicker(time.Second / changesPerSecond)
	defer tick.Stop()
	for i := range changes {
		<-tick.C
		if do := at[i]; do != nil {
			do()
		}
		all.Go(func() error {
			user := fmt.Sprint(rand.IntN(users))
			c := call{
				method: http.MethodPut, path: settingsOf(user), body: fmt.Sprintf(`{"n":%d}`, i),
				header: []string{isJSON},
			}
			switch i % 20 {
			case 3:
				c = call{method: http.MethodDelete, path: settingsOf(user)}
			case 7:
				c = call{method: http.MethodDelete, path: "/user/" + user}
			}
			a, err := s.send(base, c)
			if err == nil && a.status >= http.StatusBadRequest {
				err = fmt.Errorf("%s %s: %v", c.method, c.path, a)
			}
			return err
		})
	}
	return all.Wait()
}

// mirror is a copy of all users, as "version document" by id.
type mirror struct {
	bases []string

	mu          sync.Mutex
	users       map[string]string
	cursor      string
	live        bool
	delays      []time.Duration // from the commit, by the database's clock, to here
	connections int
}

// follow connects again and again, to one API after the other, until ctx ends.
func (m *mirror) follow(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		m.connections++
		_ = m.connect(ctx, m.bases[i%len(m.bases)]) // killed, or ended by the test
		time.Sleep(10 * time.Millisecond)
	}
}

func (m *mirror) connect(ctx context.Context, base string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/users/events?include=settings",
		http.NoBody)
	if err != nil {
		return err
	}
	if m.cursor != "" {
		r.Header.Set("Last-Event-ID", m.cursor)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	name, id := "", ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name, id = value, ""
		case "id":
			id = value
		case "data":
			if err := m.take(name, id, value, time.Now()); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func (m *mirror) take(name, id, data string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.cursor = id; name {
	case "reset":
		clear(m.users)
	case "caught-up":
		m.live = true
	case "changed":
		var u struct {
			User     string
			Version  int64
			Time     time.Time
			Deleted  bool
			Settings json.RawMessage
		}
		if err := json.Unmarshal([]byte(data), &u); err != nil {
			return err
		}
		if m.live {
			m.delays = append(m.delays, now.Sub(u.Time))
		}
		if m.users[u.User] = fmt.Sprintf("%d %s", u.Version, u.Settings); u.Deleted {
			delete(m.users, u.User)
		}
	}
	return nil
}

// equals returns an error unless the mirror has what the table has.
func (m *mirror) equals(ctx context.Context, database string) error {
	c, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	rows, err := c.Query(ctx, `
		select user_id, version || ' ' || document::text
		from settings
		where document is not null`)
	if err != nil {
		return err
	}
	table := make(map[string]string)
	var user, state string
	if _, err := pgx.ForEachRow(rows, []any{&user, &state}, func() error {
		table[user] = state
		return nil
	}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !maps.Equal(m.users, table) {
		return fmt.Errorf("it has %d users, the table %d, or others", len(m.users), len(table))
	}
	return nil
}
