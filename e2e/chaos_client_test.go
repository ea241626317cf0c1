package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/testtag"
)

const (
	chaosClients = 16
	chaosUsers   = 24
	chaosTries   = 3 // of a write with a key whose outcome is unknown
)

// chaosLoad is clients at work on users whom they share.
type chaosLoad struct {
	*history

	http    *http.Client
	numbers atomic.Int64
	bases   [2]atomic.Value // the addresses of the APIs
	tags    sync.Map        // user → tag: the newest that somebody was told
	stop    chan struct{}
	done    sync.WaitGroup

	failed atomic.Pointer[error] // the first answer that no fault explains
}

// startChaosLoad starts the clients. Their choices come from the seed.
func startChaosLoad(seed uint64, bases [2]string) *chaosLoad {
	l := &chaosLoad{
		history: newHistory(), stop: make(chan struct{}),
		http: &http.Client{
			Timeout:   20 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: chaosClients},
		},
	}
	for i, base := range bases {
		l.bases[i].Store(base)
	}
	for i := range chaosClients {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		l.done.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(time.Duration(r.IntN(20)) * time.Millisecond):
					l.one(i, r)
				}
			}
		})
	}
	return l
}

func (l *chaosLoad) finish() {
	close(l.stop)
	l.done.Wait()
	l.http.CloseIdleConnections()
}

// one makes one call, and repeats it if it has a key and its outcome is unknown.
func (l *chaosLoad) one(client int, r *rand.Rand) {
	c := chaosCall{user: fmt.Sprint("user", r.IntN(chaosUsers)), op: "read"}
	newest, told := l.tags.Load(c.user)
	kind := r.IntN(10)
	switch {
	case kind < 4:
	case kind < 7 || !told:
		c.op = "replace"
	case kind < 9:
		c.op = "compare-and-set"
	default:
		c.op = "delete"
	}
	condition := ""
	if c.op == "compare-and-set" || c.op == "delete" {
		condition = fmt.Sprint(newest)
		c.expect = versionOfTag(condition)
	}
	tries := 1
	if c.writes() {
		c.number = int(l.numbers.Add(1))
		if c.op == "delete" || r.IntN(2) == 0 { // a deletion has only its key to be known by
			c.key, tries = fmt.Sprint("key-", c.number), chaosTries
		}
	}
	body := ""
	if c.op == "replace" || c.op == "compare-and-set" {
		body = fmt.Sprintf(`{"number":%d}`, c.number)
	}
	began, unknown := time.Now(), false
	for try := range tries {
		base := fmt.Sprint(l.bases[(client+try+r.IntN(2))%2].Load())
		result, err := l.send(base, c, condition, body)
		switch {
		case err == nil:
			l.add(client, began, c, result)
			return
		case errors.Is(err, errNotApplied):
		case errors.Is(err, errUnknown):
			unknown = true
		default:
			l.failed.CompareAndSwap(nil, &err)
			return
		}
	}
	switch {
	case unknown:
		l.add(client, began, c, chaosResult{unknown: true})
	case c.writes():
		l.turnAway(c)
	}
}

var (
	errNotApplied = errors.New("surely not applied")
	errUnknown    = errors.New("unknown")
)

func (l *chaosLoad) send(base string, c chaosCall, condition, body string) (chaosResult, error) {
	method := map[string]string{
		"read": http.MethodGet, "delete": http.MethodDelete,
	}[c.op]
	if method == "" {
		method = http.MethodPut
	}
	// Under no context that ends: a request that was begun is finished.
	request, err := http.NewRequestWithContext(context.Background(), method,
		base+settingsOf(c.user), strings.NewReader(body))
	if err != nil {
		return chaosResult{}, err
	}
	for name, value := range map[string]string{
		"If-Match": condition, "Idempotency-Key": c.key, "Content-Type": "application/json",
	} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	answer, sent, err := send(l.http, request)
	switch {
	case err != nil && sent:
		return chaosResult{}, errUnknown
	case err != nil:
		return chaosResult{}, errNotApplied
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return chaosResult{}, errUnknown
	}
	whole := answer.Header.Get("ETag")
	result := chaosResult{version: versionOfTag(whole)}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		_, _ = fmt.Sscanf(string(text), `{"number":%d}`, &result.number)
	case http.StatusPreconditionFailed:
		result.refused = true
	case http.StatusServiceUnavailable:
		return result, errNotApplied
	case http.StatusGatewayTimeout:
		return result, errUnknown
	default:
		return result, fmt.Errorf("%s of %s: %d %.200s", c.op, c.user, answer.StatusCode, text)
	}
	if result.number > 0 { // only documents that exist are written under a condition
		l.tags.Store(c.user, whole)
	}
	return result, nil
}

// send sends a request. It tells whether anybody may have got it, which an error doesn't: where a
// connection breaks Go's transport sends what has an Idempotency-Key again by itself, and then only
// tells why that failed.
func send(client *http.Client, request *http.Request) (_ *http.Response, sent bool, err error) {
	var connected atomic.Bool
	answer, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(),
		&httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})))
	return answer, connected.Load(), err
}

func versionOfTag(whole string) int64 {
	version, _ := strconv.ParseInt(strings.Trim(testtag.Number(whole), `"`), 10, 64)
	return version
}

// chaosLog reads the log of all users. A deletion's number is in its key.
func chaosLog(ctx context.Context, database string) ([]chaosRow, error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `
		select user_id, version, coalesce(document ->> 'number',
		       substring(operation_id from '^key-(\d+)$'), '-1')::int
		from settings_log order by user_id, version`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (row chaosRow, err error) {
		return row, r.Scan(&row.user, &row.version, &row.number)
	})
}
