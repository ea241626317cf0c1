package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/pool"
)

// victims are whose documents of 64 KB the attacker asks for.
const victims = 64

func victim(n int) string { return fmt.Sprint("/user/victim", n%victims) }

// hostile is a request of the attacker.
func hostile(method, path, kind, body string) string {
	return rawHead(method+" "+path+" HTTP/1.1", "Host: x", attacker, kind,
		fmt.Sprint("Content-Length: ", len(body))) + body
}

// hostileBodies returns a document of 64 KB and a JSON patch of 64 KB that applies to it. They have
// few parts and so take little time. Where the attacker's work takes long less of it may wait.
func hostileBodies() (document, patch string) {
	text := strings.Repeat("x", 600)
	document, patch = `{"first":0`, `[{"op":"replace","path":"/first","value":0}`
	for i := range 95 {
		document += fmt.Sprintf(`,"key%d":%q`, i, text)
		patch += fmt.Sprintf(`,{"op":"test","path":"/key%d","value":%q}`, i, text)
	}
	return document + "}", patch + "]"
}

// hostileBatch is a multi-request with this subrequest for each victim.
func hostileBatch(t *testing.T, subrequest map[string]any, below string) string {
	t.Helper()
	var all []string
	for i := range victims {
		subrequest["path"] = victim(i) + below
		text, err := json.Marshal(subrequest)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return hostile("POST", "/batch", isJSON, `{"operations":[`+strings.Join(all, ",")+`]}`)
}

// TestNobodyWaitsForAttackers: the attacks of docs/reliability.md that take time. One client asks
// for so much that it stands in a queue. Of another one, who reads and writes, nothing is refused,
// and what shares that queue doesn't wait for it: in the median less than half of what stood there
// is done before. The attacks that take places instead are in shares_test.go.
func TestNobodyWaitsForAttackers(t *testing.T) {
	t.Parallel()
	document, patch := hostileBodies()
	var lines strings.Builder
	for i := range victims {
		fmt.Fprintf(&lines, `{"user":"victim%d","settings":%s}`+"\n", i, document)
	}
	imports := hostile("POST", "/users/import", isLines, lines.String())
	schema := `{"allOf":[` + strings.Repeat("{},", 299) + `{"type":7}]}`
	always := func(request string) func(int) string { return func(int) string { return request } }
	for name, c := range map[string]struct {
		queue   string
		stands  int // operations in the queue at least, when the other one comes
		clients int
		request func(client int) string
	}{
		"batches of reads of a value": {"read", 128, 6, always(hostileBatch(t,
			map[string]any{"method": "GET"}, "/settings/first"))},
		"batches of JSON patches": {"write", 24, 2, always(hostileBatch(t, map[string]any{
			"method": "PATCH", "body": json.RawMessage(patch),
			"headers": map[string]string{"Content-Type": "application/json-patch+json"},
		}, "/settings"))},
		"JSON patches": {"write", 12, 48, func(client int) string {
			return hostile("PATCH", victim(client)+"/settings", isPatch, patch)
		}},
		"imports": {"write", 12, 4, always(imports)},
		"reads of one value of one user": {"read", 128, 384, always(
			hostile("GET", victim(0)+"/settings/first", isJSON, ""))},
		"schemas that are refused": {"write", 8, 32, always(hostile("PUT", "/schema", isJSON, schema))},
		"restores": {"write", 64, 192, func(client int) string {
			return hostile("POST", victim(client)+"/history/1/restore", isJSON, "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newProxied(t, 0)
			s.startWorker()
			a, err := readAnswer(bufio.NewReader(s.open(t, imports)))
			if err != nil || !strings.Contains(a.body, fmt.Sprintf(`"applied":%d`, victims)) {
				t.Fatalf("%+v, %v", a, err)
			}
			writes(s)
			defer s.attackWith(c.clients, c.request)()
			asks := map[string]func(*system) bool{"read": reads, "write": writes}
			const times = 15
			refused, behind := 0, 0
			var all []string // for the report
			for range times {
				for queue, ask := range asks {
					var before pool.Queue
					eventually(t, "the attacker's work stands in the queue", func() bool {
						before = s.api.Queues()[c.queue]
						return before.Waiting >= c.stands
					})
					if !ask(s) {
						refused++
					}
					if queue != c.queue {
						continue
					}
					done := int(s.api.Queues()[queue].Operations - before.Operations)
					if 2*done > before.Waiting {
						behind++
					}
					all = append(all, fmt.Sprint(done, " of ", before.Waiting))
				}
			}
			if refused > 0 || behind > times/2 {
				t.Errorf("%d were refused, %d of %d waited: done before them was %s", refused,
					behind, times, strings.Join(all, ", "))
			}
		})
	}
}

// attackWith has so many clients of the attacker send a request each, again and again until stop.
func (s *system) attackWith(clients int, request func(client int) string) (stop func()) {
	stopped := make(chan struct{})
	var running sync.WaitGroup
	var last atomic.Int64
	(&attack{s, stopped, running.Go}).clients(clients, func(conn net.Conn) {
		_ = conn.SetDeadline(time.Now().Add(ample))
		text, in := request(int(last.Add(1))), bufio.NewReader(conn)
		for ended := false; !ended; {
			_, _ = io.WriteString(conn, text)
			a, err := http.ReadResponse(in, nil)
			if err != nil {
				return
			}
			_, err = io.Copy(io.Discard, a.Body)
			_ = a.Body.Close()
			select {
			case <-stopped:
				return
			default:
				ended = err != nil || a.Close
			}
		}
	})
	return func() {
		close(stopped)
		running.Wait()
	}
}
