package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// The load is a closed loop, in which every client waits for its answer. The pauses leave
// processor time for what is done to the system meanwhile.
const (
	clients        = 32
	usersPerClient = 8
	meanPause      = 20 * time.Millisecond
	downPause      = 50 * time.Millisecond // after a connection failed
	clientTimeout  = 2 * time.Minute       // above every timeout of the service
	maxFailures    = 10                    // remembered in each phase, in words
)

// load is clients at work, and what they have found.
type load struct {
	http    *http.Client
	ledgers map[string]*ledger
	stop    chan struct{}
	done    sync.WaitGroup

	mu     sync.Mutex
	phases []*phase
	bases  []string // of the APIs, any of which is asked
}

// phase is the part of a load during which one thing is done to the system.
type phase struct {
	name string
	// In a lenient phase a connection may fail, because the API is away. The outcome of its request
	// is then unknown. Answers must always be right.
	lenient bool
	// In an outage answers may be 503 and 504, too.
	outage   bool
	started  time.Time
	took     time.Duration
	requests int
	writes   int
	lost     int // connections that failed in a lenient phase, and refusals in an outage
	unknown  int // those of them of which it isn't known whether they were done
	failed   int
	failures []error
	slowest  time.Duration
	served   time.Time     // the last request that was
	unserved time.Duration // the longest time in which none was
}

func (p *phase) end(now time.Time) {
	p.took = now.Sub(p.started)
	p.unserved = max(p.unserved, now.Sub(p.served))
}

// startLoad starts the clients, in a first phase. They stop with finish, or with the test.
func startLoad(t *testing.T, base, phase string) *load {
	t.Helper()
	return startLoadWith(t, base, phase, "")
}

// startLoadWith does the same with a token.
func startLoadWith(t *testing.T, base, phase, token string) *load {
	t.Helper()
	transport := &http.Transport{
		MaxIdleConnsPerHost: clients,
		DialContext:         (&net.Dialer{Timeout: time.Minute}).DialContext,
		DisableCompression:  true,
	}
	l := &load{
		http:    &http.Client{Transport: bearer{transport, token}, Timeout: clientTimeout},
		ledgers: make(map[string]*ledger),
		stop:    make(chan struct{}),
	}
	l.through(base)
	l.phase(phase)
	owned := make([][]*ledger, clients)
	for i := range clients * usersPerClient {
		g := newLedger(userID(i))
		l.ledgers[g.user] = g
		owned[i%clients] = append(owned[i%clients], g)
	}
	for _, own := range owned {
		l.done.Go(func() { l.client(own) })
	}
	t.Cleanup(func() {
		l.finish()
		transport.CloseIdleConnections()
	})
	return l
}

// bearer sends a token with each request, unless it is "".
type bearer struct {
	http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.RoundTripper.RoundTrip(r)
}

// through makes the clients ask these APIs, from their next request on.
func (l *load) through(bases ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bases = bases
}

func (l *load) base() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bases[rand.N(len(l.bases))]
}

// userID makes ids of several shapes, since they travel in URLs, messages and SQL.
func userID(i int) string {
	return fmt.Sprintf([]string{"%d", "auth0|%d", "ann+%d@example.org", "日本/%d"}[i%4], i)
}

// phase ends the phase that is going on and starts another.
func (l *load) phase(name string) { l.start(&phase{name: name}) }

// lenientPhase is a phase in which connections may fail.
func (l *load) lenientPhase(name string) { l.start(&phase{name: name, lenient: true}) }

// outagePhase is a phase in which nothing may be done, since a part is away.
func (l *load) outagePhase(name string) {
	l.start(&phase{name: name, lenient: true, outage: true})
}

// recovers waits until an outage is over: no request fails while each client makes two.
func (l *load) recovers(ctx context.Context) error {
	p := l.current()
	for before := -1; ; {
		l.mu.Lock()
		lost := p.lost
		l.mu.Unlock()
		if lost == before {
			return nil
		}
		before = lost
		if err := l.settle(ctx, 2*clients); err != nil {
			return err
		}
	}
}

// unserved is an answer that says that nothing was done, or that this isn't known.
type unserved struct {
	status int
	body   []byte
}

func (u unserved) Error() string { return fmt.Sprintf("%d %.200s", u.status, u.body) }

// answered is an error unless the status is 200.
func answered(status int, body []byte) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return unserved{status, body}
	default:
		return fmt.Errorf("%d %.200s", status, body)
	}
}

func (l *load) start(p *phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.started = time.Now()
	p.served = p.started
	if n := len(l.phases); n > 0 {
		before := l.phases[n-1]
		before.end(p.started)
		p.served = before.served // where nothing has been served since, that goes on
	}
	l.phases = append(l.phases, p)
}

func (l *load) current() *phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phases[len(l.phases)-1]
}

// settle waits until n more requests of the phase have been answered.
func (l *load) settle(ctx context.Context, n int) error {
	p := l.current()
	enough := 0
	for {
		l.mu.Lock()
		if enough == 0 {
			enough = p.requests + n
		}
		answered := p.requests
		l.mu.Unlock()
		if answered >= enough {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: waiting for %d requests, had %d: %w", p.name, enough, answered,
				ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// finish lets every client end its request and stop.
func (l *load) finish() {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
		l.phases[len(l.phases)-1].end(time.Now())
	}
	l.mu.Unlock()
	l.done.Wait()
}

// report prints a line for each phase, and returns what failed.
func (l *load) report(t *testing.T) error {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "phase\ttook\trequests\twrites\tlost\tunknown\tfailed\tslowest\tnone served\t")
	var errs []error
	for _, p := range l.phases {
		_, _ = fmt.Fprintf(w, "%s\t%.1fs\t%d\t%d\t%d\t%d\t%d\t%dms\t%dms\t\n",
			p.name, p.took.Seconds(), p.requests, p.writes, p.lost, p.unknown, p.failed,
			p.slowest.Milliseconds(), p.unserved.Milliseconds())
		if p.failed > 0 {
			errs = append(errs, fmt.Errorf("%s: %d of %d requests failed, the first: %w", p.name,
				p.failed, p.requests, errors.Join(p.failures...)))
		}
	}
	_ = w.Flush()
	acked := 0
	for _, g := range l.ledgers {
		acked += g.acked
	}
	t.Logf("%d writes acknowledged, for %d users by %d clients\n%s", acked, len(l.ledgers), clients,
		table.String())
	return errors.Join(errs...)
}

// client writes the users that it owns and reads those and others, until the load stops.
func (l *load) client(own []*ledger) {
	everyone := make([]*ledger, 0, len(l.ledgers))
	for i := range clients * usersPerClient {
		everyone = append(everyone, l.ledgers[userID(i)])
	}
	for {
		var err error
		switch rand.N(4) {
		case 0, 1:
			err = l.do(own[rand.N(len(own))], l.write)
		case 2:
			err = l.do(own[rand.N(len(own))], l.read)
		default:
			err = l.do(everyone[rand.N(len(everyone))], l.read)
		}
		pause := rand.N(2 * meanPause)
		if err != nil {
			pause = downPause
		}
		select {
		case <-l.stop:
			return
		case <-time.After(pause):
		}
	}
}

// do makes one request and counts it in the phase in which it ends.
func (l *load) do(g *ledger, request func(*ledger) (wrote bool, err error)) error {
	began, start := l.current(), time.Now()
	wrote, err := request(g)
	took := time.Since(start)

	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.phases[len(l.phases)-1]
	p.requests++
	p.slowest = max(p.slowest, took)
	if wrote {
		p.writes++
	}
	var (
		broken *url.Error
		away   unserved
	)
	switch {
	case err == nil:
		p.unserved = max(p.unserved, time.Since(p.served))
		p.served = time.Now()
	// A request may have begun in the phase before or end in the one after.
	case (p.lenient || began.lenient) && errors.As(err, &broken):
		p.lost++
		p.unknown++
	case (p.outage || began.outage) && errors.As(err, &away):
		p.lost++
		if away.status == http.StatusGatewayTimeout {
			p.unknown++
		}
	default:
		p.failed++
		if len(p.failures) < maxFailures {
			p.failures = append(p.failures, fmt.Errorf("after %d ms: %w", took.Milliseconds(), err))
		}
	}
	return err
}

func (l *load) write(g *ledger) (bool, error) {
	number, before := g.write()
	doc := document(g.user, number)
	status, version, body, err := l.send(http.MethodPost, g.user, doc)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			g.refuse(number) // never sent; after any other error it stays open
		}
		return true, err
	}
	if status == http.StatusServiceUnavailable { // promises: not applied
		g.refuse(number)
	}
	if err := answered(status, body); err != nil { // else open: applied or not
		return true, fmt.Errorf("POST of user %s: %w", g.user, err)
	}
	var answer struct {
		Status   string          `json:"status"`
		UserID   string          `json:"userId"`
		Settings json.RawMessage `json:"settings"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "settings updated" ||
		answer.UserID != g.user || string(answer.Settings) != doc {
		return true, fmt.Errorf("POST of user %s: 200 %.200s", g.user, body)
	}
	return true, g.acknowledge(number, before, version)
}

func (l *load) read(g *ledger) (bool, error) {
	least := g.seen()
	status, version, body, err := l.send(http.MethodGet, g.user, "")
	if err != nil {
		return false, err
	}
	if err := answered(status, body); err != nil {
		return false, fmt.Errorf("GET of user %s: %w", g.user, err)
	}
	return false, g.read(least, version, string(body))
}

// send makes a request; version is the answer's ETag if the status is 200.
func (l *load) send(method, user, doc string) (status int, version int64, body []byte, err error) {
	// Under no context: a request that was begun is finished, so that its outcome is known.
	r, err := http.NewRequestWithContext(context.Background(), method,
		l.base()+"/user/"+url.PathEscape(user)+"/settings", bytes.NewReader([]byte(doc)))
	if err != nil {
		return 0, 0, nil, err
	}
	if doc != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := l.http.Do(r)
	if err != nil {
		return 0, 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if body, err = io.ReadAll(answer.Body); err != nil {
		return 0, 0, nil, &url.Error{Op: method, URL: user, Err: err}
	}
	if answer.StatusCode == http.StatusOK {
		tag, err := strconv.Unquote(answer.Header.Get("ETag"))
		if err == nil {
			number, _, _ := strings.Cut(tag, "-")
			version, err = strconv.ParseInt(number, 10, 64)
		}
		if err != nil {
			return 0, 0, nil, fmt.Errorf("%s of user %s: ETag %q: %w", method, user,
				answer.Header.Get("ETag"), err)
		}
	}
	return answer.StatusCode, version, body, nil
}

// waitFor checks the condition until it holds. When ctx ends, the error has the last reason.
func waitFor(ctx context.Context, what string, condition func(context.Context) error) error {
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w, last: %w", what, context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ready waits until the API at base says that it can serve.
func ready(ctx context.Context, base string) error {
	return waitFor(ctx, "the API to be ready", func(ctx context.Context) error {
		return readiness(ctx, base, http.StatusOK)
	})
}

// unready waits until an API sees that nobody can serve.
func unready(ctx context.Context, base string) error {
	return waitFor(ctx, "the API to be unready", func(ctx context.Context) error {
		return readiness(ctx, base, http.StatusServiceUnavailable)
	})
}

// readiness is an error unless the API's readiness has this status.
func readiness(ctx context.Context, base string, status int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return err
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != status {
		body, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%d %.200s", answer.StatusCode, body)
	}
	return nil
}
