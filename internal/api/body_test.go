package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// dialRaw connects without a client's ways.
func (s *system) dialRaw(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp",
		strings.TrimPrefix(strings.TrimPrefix(s.base, "http://"), "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(ample)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn) //nolint:errcheck // a panic tells as much
}

const rawPut = "PUT /user/42/settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

// readAnswer reads the next answer on a connection, and its body.
func readAnswer(r *bufio.Reader) (answer, error) {
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if response.Close {
		response.Header.Set("Connection", "close") // which net/http takes away
	}
	return answer{response.StatusCode, response.Header, string(body), ""}, err
}

// exchangeRaw has a request sent while it reads the answer. It does so again where the connection
// ended without any: on a busy machine the server's time for a request may be up before its first
// byte is sent.
func (s *system) exchangeRaw(t *testing.T, send func(*net.TCPConn)) (a answer, err error) {
	t.Helper()
	eventually(t, "the request came in time", func() bool {
		conn := s.dialRaw(t)
		var sending sync.WaitGroup
		defer sending.Wait()
		defer func() { _ = conn.Close() }()
		sending.Go(func() { send(conn) })
		a, err = readAnswer(bufio.NewReader(conn))
		return a.status != 0
	})
	return a, err
}

// chunked is a body in chunks of so many bytes.
func chunked(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// TestBodies: however a body comes, it is read whole or refused, and whoever was refused in its
// middle hears why.
func TestBodies(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	config := apiConfig
	config.ReadTimeout = 200 * time.Millisecond
	impatient := &system{t: t, log: s.log, nats: s.nats, tags: new(tags)}
	impatient.base, _ = impatient.startAPI(config)
	document := func(n int) string { return `{"x":"` + strings.Repeat("x", n-8) + `"}` }
	withLength := func(n int, body string) string {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", rawPut, n, body)
	}
	check := func(t *testing.T, a answer, err error, status int, keeps bool) {
		t.Helper()
		if err != nil || a.status != status ||
			(a.header.Get("Connection") == "close") == keeps ||
			a.header.Get("X-Request-Id") == "" ||
			status >= 400 && a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%+v, %v", a, err)
		}
	}
	const inChunks = rawPut + "Transfer-Encoding: chunked\r\n\r\n"
	for name, c := range map[string]struct {
		request string
		then    string // "end": the client sends no more
		status  int
		keeps   bool // the connection
	}{
		"small":                  {withLength(8, document(8)), "", 200, true},
		"as large as may be":     {withLength(64<<10, document(64<<10)), "", 200, true},
		"just over 8 KiB":        {withLength(8<<10+1, document(8<<10+1)), "", 200, true},
		"8 KiB":                  {withLength(8<<10, document(8<<10)), "", 200, true},
		"empty":                  {withLength(0, ""), "", 400, true},
		"too large":              {withLength(64<<10+1, document(64<<10+1)), "", 413, false},
		"too large, announced":   {withLength(1<<40, "{"), "", 413, false},
		"chunks":                 {inChunks + chunked(document(60<<10), 1000), "", 200, true},
		"one chunk":              {inChunks + chunked(document(64<<10), 64<<10), "", 200, true},
		"empty chunks":           {inChunks + chunked("", 1), "", 400, true},
		"chunks, too large":      {inChunks + chunked(document(64<<10+1), 1000), "", 413, false},
		"chunk, too large":       {inChunks + "20000\r\n" + document(64<<10+1), "", 413, false},
		"far too many chunks":    {inChunks + chunked(document(4<<20), 1000), "", 413, false},
		"no chunks":              {inChunks + "xyz\r\n", "", 400, false},
		"chunk without end":      {inChunks + "2\r\n{}xx", "", 400, false},
		"broken off":             {withLength(100, `{"a":1`), "end", 400, false},
		"broken off, large":      {withLength(60<<10, document(30<<10)), "end", 400, false},
		"broken off, in a chunk": {inChunks + "64\r\n{", "end", 400, false},
		"broken off, chunks":     {inChunks + "2\r\n{}\r\n", "end", 400, false},
		"too slow":               {withLength(100, `{"a":1`), "", 408, false},
		"too slow, large":        {withLength(60<<10, document(30<<10)), "", 408, false},
		"too slow, in a chunk":   {inChunks + "64\r\n{", "", 408, false},
		"too slow, chunks":       {inChunks + "2\r\n{}\r\n", "", 408, false},
		"of a GET":               {"GET /user/42/settings HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + document(10000), "", 200, true},
		"of a GET, too large": {fmt.Sprintf(
			"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<20,
		) + document(1<<20), "", 413, false},
		"nowhere":                 {"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n" + document(10000), "", 404, true},
		"nowhere, too large":      {"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + document(100000), "", 413, false},
		"of a form":               {"PUT /user/42/settings HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 10000\r\n\r\n" + document(10000), "", 415, true},
		"of a form, too large":    {"PUT /user/42/settings HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n" + document(100000), "", 413, false},
		"after a pause":           {rawPut + "Expect: 100-continue\r\nContent-Length: 20000\r\n\r\n", "continue", 200, true},
		"after a pause, in parts": {rawPut + "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", "continue", 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.status == http.StatusRequestTimeout {
				a, err := impatient.exchangeRaw(t, func(conn *net.TCPConn) {
					_, _ = io.WriteString(conn, c.request)
				})
				check(t, a, err, c.status, c.keeps)
				return
			}
			conn := s.dialRaw(t)
			// a server that refuses it may not read to the end
			_, _ = io.WriteString(conn, c.request)
			answers := bufio.NewReader(conn)
			switch c.then {
			case "end":
				_ = conn.CloseWrite()
			case "continue":
				if line, err := answers.ReadString('\n'); err != nil ||
					line != "HTTP/1.1 100 Continue\r\n" {
					t.Fatalf("%q, %v", line, err)
				}
				_, _ = answers.ReadString('\n')
				body := document(20000)
				if strings.Contains(c.request, "chunked") {
					body = chunked(body, 999)
				}
				_, _ = io.WriteString(conn, body)
			}
			a, err := readAnswer(answers)
			check(t, a, err, c.status, c.keeps)
			if !c.keeps {
				return
			}
			if _, err := io.WriteString(conn,
				"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Error(err)
			}
			if a, err := readAnswer(answers); err != nil || a.status != http.StatusOK {
				t.Errorf("the next request: %+v, %v", a, err)
			}
		})
	}
}

// TestPipelined: requests that come before the answers are answered in their order, each with its
// own body.
func TestPipelined(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	conn := s.dialRaw(t)
	var requests strings.Builder
	const count = 60
	document := func(i int) string { return fmt.Sprintf(`{"i":%d,"x":"%s"}`, i, strings.Repeat("x", i*300)) }
	for i := range count {
		body := document(i)
		if i%3 == 0 {
			requests.WriteString(rawPut + "Transfer-Encoding: chunked\r\n\r\n" + chunked(body, 700))
		} else {
			fmt.Fprintf(&requests, "%sContent-Length: %d\r\n\r\n%s", rawPut, len(body), body)
		}
	}
	go func() { _, _ = io.WriteString(conn, requests.String()) }()
	answers := bufio.NewReader(conn)
	for i := range count {
		a, err := readAnswer(answers)
		if err != nil || a.body != document(i) || number(a.header.Get("ETag")) != fmt.Sprintf(`"%d"`, i+1) {
			t.Fatalf("answer %d: %+v, %v", i, a, err)
		}
	}
	s.has("42", count, document(count-1))
}

// TestSlowBody: a request's time begins when its body has come.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	deadline := make(chan int64, 1)
	s.startFake(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		deadline <- r.Operations[0].Deadline
		return &messages.Reply{Results: []messages.Result{{Version: 1}}}
	})
	conn := s.dialRaw(t)
	document := `{"x":"` + strings.Repeat("x", 20_000) + `"}`
	fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", rawPut, len(document), document[:10_000])
	eventually(t, "the API has begun to read", func() bool { return s.api.Begun() > 0 })
	half := time.Now()
	eventually(t, "time passes", func() bool { return time.Since(half) > 2*time.Millisecond })
	rest := time.Now()
	_, _ = io.WriteString(conn, document[10_000:])
	if a, err := readAnswer(bufio.NewReader(conn)); err != nil || a.status != http.StatusOK {
		t.Errorf("%+v, %v", a, err)
	}
	if got, least := <-deadline, rest.Add(apiConfig.RequestTimeout).UnixMilli(); got < least {
		t.Errorf("the deadline is %d, want at least %d", got, least)
	}
}
