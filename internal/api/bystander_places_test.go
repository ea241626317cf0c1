package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The attacks of BenchmarkBystander that take places instead of time. Attackers and bystander have
// addresses of their own, which a trusted proxy names.

const (
	attacker  = "X-Forwarded-For: 203.0.113.1"
	bystander = "X-Forwarded-For: 203.0.113.2"
)

func newBenched(b *testing.B) *system {
	s := newSystem(b, apiConfig)
	config := apiConfig
	config.TrustedProxies = []string{"127.0.0.1"}
	config.ReadTimeout = 10 * time.Second // the default
	_, s.base, _ = s.startWith(config, timing, 0)
	return s
}

func reads(s *system) bool {
	return s.do("GET", "/user/42/settings", "", bystander).status == http.StatusOK
}

func writes(s *system) bool {
	return s.do("PUT", "/user/42/settings", `{}`, isJSON, bystander).status == http.StatusOK
}

func batches(s *system) bool {
	return s.do("POST", "/batch", `{"operations":[`+aGet+`]}`, isJSON, bystander).status == http.StatusOK
}

func imports(s *system) bool {
	a := s.do("POST", "/users/import", `{"user":"7","settings":{}}`+"\n", isLines, bystander)
	return strings.Contains(a.body, `"applied":1`)
}

// exports reads the first part only: all of it takes long for its length.
func exports(s *system) bool {
	return s.do("HEAD", "/users/export", "", bystander).status == http.StatusOK
}

// connects reads on a new connection.
func connects(s *system) bool {
	s.client.CloseIdleConnections()
	a, err := s.try("GET", "/user/42/settings", "", bystander)
	return err == nil && a.status == http.StatusOK
}

// keep has n clients send the beginning of a request, and then more each time until the end. It
// returns when each has begun, or was refused.
func (a *attack) keep(n int, every time.Duration, begin, more string) {
	begun := make(chan struct{}, n)
	for range n {
		a.run(func() {
			for first := true; a.goesOn(); first = false {
				conn, err := net.Dial("tcp", strings.TrimPrefix(a.base, "http://"))
				if err == nil {
					_, err = io.WriteString(conn, begin)
				}
				if first {
					begun <- struct{}{}
				}
				for err == nil && a.wait(every) {
					_, err = io.WriteString(conn, more)
				}
				if conn != nil {
					_ = conn.Close()
				}
				a.wait(time.Second)
			}
		})
	}
	for range n {
		<-begun
	}
	a.wait(time.Second) // until what they have begun has arrived
}

// wait returns false when the attack is over.
func (a *attack) wait(d time.Duration) bool {
	select {
	case <-a.stopped:
		return false
	case <-time.After(d):
		return true
	}
}

func (a *attack) announcedBatches() {
	piece := strings.Repeat(" ", 8<<10)
	a.keep(39, 10*time.Second, rawHead("POST /batch HTTP/1.1", "Host: x", isJSON, attacker,
		"Content-Length: 6900000")+piece, piece)
}

func (a *attack) badImports() {
	const line = "3\r\n{}\n\r\n"
	a.keep(8, 8*time.Second, rawHead("POST /users/import HTTP/1.1", "Host: x", isLines, attacker,
		"Transfer-Encoding: chunked")+line, line)
}

// unreadExports asks for more than all buffers take.
func (a *attack) unreadExports() {
	var lines strings.Builder
	document := strings.Repeat("x", 60_000)
	for n := range 200 {
		fmt.Fprintf(&lines, `{"user":"u%d","settings":{"x":"%s"}}`+"\n", n, document)
	}
	a.do("POST", "/users/import", lines.String(), isLines)
	a.keep(32, time.Hour, rawHead("GET /users/export HTTP/1.1", "Host: x", attacker), "")
}

// idleConnections takes all connections that there are.
func (a *attack) idleConnections() {
	ready := rawHead("GET /healthz HTTP/1.1", "Host: x")
	for range apiConfig.MaxConnections {
		conn, err := net.Dial("tcp", strings.TrimPrefix(a.base, "http://"))
		if err != nil {
			a.t.Fatal(err)
		}
		_, _ = io.WriteString(conn, ready)
		_, _ = bufio.NewReader(conn).ReadString('\n')
		a.run(func() {
			<-a.stopped
			_ = conn.Close()
		})
	}
}
