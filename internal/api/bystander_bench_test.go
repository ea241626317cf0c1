package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/pkg/messages"
)

// attack is something that goes on until the system stops: it calls run on goroutines of its own,
// which return when stopped is closed.
type attack struct {
	*system
	stopped <-chan struct{}
	run     func(func())
}

func (a *attack) goesOn() bool {
	select {
	case <-a.stopped:
		return false
	default:
		return true
	}
}

// BenchmarkBystander measures how long a client waits who reads one document after the other, a
// millisecond apart, while somebody else attacks the API or its workers from the same machine. Run
// it with -benchtime 2000x. The attacker takes what it gets of the processors, so "quiet" beside it
// is only a part of the truth.
func BenchmarkBystander(b *testing.B) {
	quiet := func(*attack) {}
	for _, c := range []struct {
		name   string
		attack func(*attack)
		asks   func(*system) bool // nil: reads
	}{
		{"quiet", quiet, nil},
		{"forged-workers", (*attack).forgedWorkers, nil},
		{"forged-changes", (*attack).forgedChanges, nil},
		{"discovery", (*attack).discovery, nil},
		{"chunk-extensions", (*attack).extensions, nil},
		{"slow-bodies", (*attack).slowBodies, nil},
		{"bad-tokens", (*attack).badTokens, nil},
		{"batches", quiet, batches},
		{"batches-beside-announced", (*attack).announcedBatches, batches},
		{"imports", quiet, imports},
		{"imports-beside-bad", (*attack).badImports, imports},
		{"exports", quiet, exports},
		{"exports-beside-unread", (*attack).unreadExports, exports},
		{"reads-beside-many-users", (*attack).manyUsers, reads},
		{"reads-beside-hot-user", (*attack).hotUser, reads},
		{"writes-beside-many-users", (*attack).manyUsers, writes},
		{"writes-beside-hot-user", (*attack).hotUser, writes},
		{"connections", quiet, connects},
		{"connections-beside-idle", (*attack).idleConnections, connects},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := newBenched(b)
			s.startWorker()
			s.post("42", `{"theme":"dark"}`)
			if c.asks == nil {
				c.asks = reads
			}
			stopped := make(chan struct{})
			var running sync.WaitGroup
			c.attack(&attack{s, stopped, running.Go})
			took, refused := make([]time.Duration, 0, b.N), 0
			for b.Loop() {
				began := time.Now()
				if !c.asks(s) {
					refused++
				}
				took = append(took, time.Since(began))
				time.Sleep(time.Millisecond)
			}
			close(stopped)
			running.Wait()
			slices.Sort(took)
			for _, p := range []int{50, 99} {
				at := took[min(len(took)*p/100, len(took)-1)]
				b.ReportMetric(float64(at.Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
			}
			b.ReportMetric(100*float64(refused)/float64(len(took)), "%refused")
			b.ReportMetric(0, "ns/op") // which has the pause in it
		})
	}
}

// forgedWorkers answers every count of the workers with many that are none.
func (a *attack) forgedWorkers() {
	var pongs [][]byte
	for i := range 3000 {
		data, err := json.Marshal(micro.Ping{ServiceIdentity: micro.ServiceIdentity{
			Name: messages.ServiceName, ID: fmt.Sprint("forged", i),
			Metadata: map[string]string{messages.ActionsKey: "255"},
		}})
		if err != nil {
			a.t.Fatal(err)
		}
		pongs = append(pongs, data, make([]byte, 100<<10))
	}
	nc := a.dial()
	if _, err := nc.Subscribe("$SRV.PING.outset", func(m *nats.Msg) {
		for _, data := range pongs {
			if a.goesOn() {
				_ = m.Respond(data)
			}
		}
	}); err != nil {
		a.t.Fatal(err)
	}
}

// forgedChanges tells of versions that there are not, of a user who is watched.
func (a *attack) forgedChanges() {
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.base, "http://"))
	if err != nil {
		a.t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /user/42/events?include=settings HTTP/1.1\r\nHost: %s\r\n\r\n",
		strings.TrimPrefix(a.base, "http://"))
	data, err := messages.EncodeChanged(messages.Changed{Version: math.MaxInt64})
	if err != nil {
		a.t.Fatal(err)
	}
	nc := a.dial()
	a.run(func() {
		defer func() { _ = conn.Close() }()
		for a.goesOn() {
			_ = nc.Publish(messages.ChangedSubject("42"), data)
		}
	})
}

// discovery asks the workers for their statistics.
func (a *attack) discovery() {
	nc := a.dial()
	a.run(func() {
		for a.goesOn() {
			_ = nc.PublishRequest("$SRV.STATS.outset", "_INBOX.nobody", nil)
		}
	})
}

// clients keeps so many connections to the API busy: each is used until use returns.
func (a *attack) clients(n int, use func(net.Conn)) {
	for range n {
		a.run(func() {
			for a.goesOn() {
				conn, err := net.Dial("tcp", strings.TrimPrefix(a.base, "http://"))
				if err != nil {
					continue
				}
				_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
				use(conn)
				_ = conn.Close()
			}
		})
	}
}

// extensions sends chunks that are nearly all extension.
func (a *attack) extensions() {
	extension := []byte(strings.Repeat("e", 64<<10))
	a.clients(4, func(conn net.Conn) {
		_, err := io.WriteString(conn, rawPut+"Transfer-Encoding: chunked\r\n\r\n2;")
		for err == nil && a.goesOn() {
			_, err = conn.Write(extension)
		}
	})
}

// slowBodies sends a byte now and then.
func (a *attack) slowBodies() {
	a.clients(256, func(conn net.Conn) {
		_, err := io.WriteString(conn, rawPut+"Content-Length: 60000\r\n\r\n{")
		for err == nil && a.goesOn() {
			time.Sleep(50 * time.Millisecond)
			_, err = conn.Write([]byte(" "))
		}
	})
}

// manyUsers writes documents of a user for each of 16 clients, hotUser that of a single one.
func (a *attack) manyUsers() { a.writes(16) }

func (a *attack) hotUser() { a.writes(1) }

// writes has 16 clients write the documents of so many users, one after the other.
func (a *attack) writes(users int) {
	var next atomic.Int64
	a.clients(16, func(conn net.Conn) {
		user, answers := next.Add(1)%int64(users), make([]byte, 64<<10)
		var err error
		for err == nil && a.goesOn() {
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, err = fmt.Fprintf(conn, "PUT /user/hot%d/settings HTTP/1.1\r\nHost: %s\r\n"+
				"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", user,
				strings.TrimPrefix(a.base, "http://"))
			if err == nil {
				_, err = conn.Read(answers)
			}
		}
	})
}

// badTokens asks with tokens that are none.
func (a *attack) badTokens() {
	a.clients(4, func(conn net.Conn) {
		answers := make([]byte, 64<<10)
		var err error
		for err == nil && a.goesOn() {
			_, err = fmt.Fprintf(conn, "GET /user/42/settings HTTP/1.1\r\nHost: %s\r\n"+
				"Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI0MiJ9.%d\r\n\r\n",
				strings.TrimPrefix(a.base, "http://"), time.Now().UnixNano())
			if err == nil {
				_, err = conn.Read(answers)
			}
		}
	})
}
