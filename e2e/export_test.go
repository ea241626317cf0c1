package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	usersVariable = "E2E_USERS" // how many, if not fewUsers
	fewUsers      = 2000
	// flat is the memory that no program may exceed, whatever the number of users is.
	flat = 160 << 20
)

// TestExportImport moves all users from one system to another while workers are killed: the
// documents are the same, byte for byte, and no program's memory grows with their number. It logs
// what that took.
func TestExportImport(t *testing.T) {
	t.Parallel()
	ctx := t.Context() // no deadline: E2E_USERS may ask for hours
	n := fewUsers
	if text := os.Getenv(usersVariable); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
	}
	from, to := newExporting(ctx, t, n), newExporting(ctx, t, n)

	from.do(from.imports("made up", func(w io.Writer) error { return makeUp(w, n) }))
	file := filepath.Join(t.TempDir(), "users.ndjson")
	from.do(from.exports(file))
	to.do(to.imports("exported", func(w io.Writer) error {
		exported, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { _ = exported.Close() }()
		_, err = io.Copy(w, exported)
		return err
	}))

	const documents = `select md5(string_agg(user_id || ' ' || document::text, E'\n' order by user_id)) || ' ' || count(*) from settings`
	var sums []string
	for _, s := range []*exporting{from, to} {
		sum, err := text(ctx, s.database, documents)
		s.do(err)
		sums = append(sums, sum)
	}
	if sums[0] != sums[1] || !strings.HasSuffix(sums[0], " "+strconv.Itoa(n)) {
		t.Errorf("documents: %q", sums)
	}
	from.flat()
	to.flat()
}

// makeUp writes users whose documents are spelt in all kinds of ways.
func makeUp(w io.Writer, n int) error {
	random := rand.New(rand.NewPCG(1, 2))
	out := bufio.NewWriter(w)
	for i := range n {
		document := fmt.Sprintf(`{"theme":"dark","n":1.%d0,"note":%q,"é":"日本"}`, i, strings.Repeat("-", random.IntN(600)))
		switch i % 10 {
		case 0:
			document = " " + strings.ReplaceAll(document, ",", ",\r\n\t") + "\n"
		case 1:
			document = strings.ReplaceAll(document, ":", " : ")
		}
		line := fmt.Sprintf(`{"user":"user/%d","settings":%s}`, i, document)
		if strings.ContainsAny(document, "\r\n") {
			quoted, err := json.Marshal(document)
			if err != nil {
				return err
			}
			line = fmt.Sprintf(`{"text":%s,"user":"user/%d"}`, quoted, i)
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// exporting is a system with two workers, one of which is killed in the middle of each transfer.
type exporting struct {
	*system

	users    int
	base     string
	programs []*program

	mu   sync.Mutex
	most map[string]int64 // resident bytes, by program
}

func newExporting(ctx context.Context, t *testing.T, users int) *exporting {
	t.Helper()
	s := &exporting{system: newSystem(ctx, t), users: users, most: make(map[string]int64)}
	s.bin = programsWithoutRace(t)
	s.http.Timeout = 0 // a stream takes its time
	for range 2 {
		s.programs = append(s.programs, s.newWorker())
	}
	api, base := s.api(s.bin)
	s.programs, s.base = append(s.programs, api), base
	return s
}

// killer returns a function that counts lines; after half of them it kills one worker and starts
// another.
func (s *exporting) killer() (line func()) {
	seen := 0
	return func() {
		if seen++; seen != s.users/2 {
			return
		}
		s.programs[0].kill()
		s.programs[0] = s.newWorker()
	}
}

// sample records the memory of all programs until it is stopped.
func (s *exporting) sample() (stop func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	var sampling sync.WaitGroup
	programs := slices.Clone(s.programs[1:]) // the first is about to be killed
	sampling.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			for _, p := range programs {
				s.mu.Lock()
				s.most[p.name] = max(s.most[p.name], memoryOf(s.t, p))
				s.mu.Unlock()
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	return func() {
		cancel()
		sampling.Wait()
	}
}

func (s *exporting) flat() {
	for name, most := range s.most {
		s.t.Logf("%s: %d MiB at most", name, most>>20)
		if most > flat {
			s.t.Errorf("%s took %d MiB", name, most>>20)
		}
	}
}

// imports sends what write writes, and expects that each user is imported.
func (s *exporting) imports(what string, write func(io.Writer) error) error {
	defer s.sample()()
	began := time.Now()
	body, in := io.Pipe()
	go func() { _ = in.CloseWithError(write(in)) }()
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.base+"/users/import", body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	outcomes := 0
	count := s.killer()
	err = s.lines(r, func(line []byte) error {
		count()
		var o struct {
			Line, Status, Lines, Applied, Failed int
			End                                  bool
		}
		if err := json.Unmarshal(line, &o); err != nil {
			return err
		}
		switch {
		case o.End && o.Lines >= s.users && o.Applied == s.users && o.Failed == 0:
			s.t.Logf("imported %d %s users in %v", s.users, what,
				time.Since(began).Round(time.Millisecond))
			outcomes = -outcomes
		case o.Status == http.StatusOK:
			outcomes++
		default:
			return fmt.Errorf("%s", line)
		}
		return nil
	})
	if err == nil && outcomes != -s.users {
		err = fmt.Errorf("%d outcomes, want the end after %d", outcomes, s.users)
	}
	return err
}

// exports writes all users to a file.
func (s *exporting) exports(file string) error {
	defer s.sample()()
	began := time.Now()
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.base+"/users/export", nil)
	if err != nil {
		return err
	}
	buffered, count, last := bufio.NewWriter(out), s.killer(), ""
	err = s.lines(r, func(line []byte) error {
		count()
		last = string(line)
		_, err := fmt.Fprintf(buffered, "%s\n", line)
		return err
	})
	if want := fmt.Sprintf(`{"end":true,"users":%d}`, s.users); err == nil && last != want {
		err = fmt.Errorf("the last line is %q, want %q", last, want)
	}
	if err == nil {
		err = buffered.Flush()
	}
	s.t.Logf("exported %d users in %v", s.users, time.Since(began).Round(time.Millisecond))
	return err
}

// lines sends a request and hands over each line of the answer.
func (s *exporting) lines(r *http.Request, each func([]byte) error) error {
	answer, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s: %s", answer.Status, body)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := each(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// text returns the one value that a query selects.
func text(ctx context.Context, database, sql string) (value string, err error) {
	c, err := pgx.Connect(ctx, database)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close(ctx) }()
	err = c.QueryRow(ctx, sql).Scan(&value)
	return value, err
}
