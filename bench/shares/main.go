// Command shares measures what one client who asks for much costs another. It attacks a running
// Outset that needs no tokens (AUTH=none) from 127.0.0.2, in one way after the other, while a
// bystander on 127.0.0.1 writes and reads a document of his own:
//
//	bin/outset up --auth none --workers 1 --http 127.0.0.1:8080 &
//	go run ./bench/shares --url http://127.0.0.1:8080
//
// Before each attack it measures the bystander alone: what counts is how many times as long he
// waits beside the attack, as the machine may be busy with something else. The attacker is a process
// of its own. It shares the machine with the system, so a part of what the bystander waits for is
// the attacker's own processor time. Two controls tell how much that may be: processes that do
// nothing but compute, and requests that the API answers by itself, with 404.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	base     = flag.String("url", "http://127.0.0.1:8080", "where Outset is")
	duration = flag.Duration("duration", 5*time.Second, "how long each attack takes")
	only     = flag.String("only", "", "measure attacks whose name has this in it")
	role     = flag.String("attack", "", "be the attacker, until the input ends")
)

// client comes from an address of its own.
type client struct{ http.Client }

func from(ip string) *client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &client{http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1024, DisableCompression: true,
		},
	}}
}

// do sends a request and returns the status, or 0.
func (c *client) do(ctx context.Context, method, path, kind string, body []byte) int {
	r, err := http.NewRequestWithContext(ctx, method, *base+path, bytes.NewReader(body))
	if err != nil {
		panic(err) // the address makes no sense
	}
	r.Header.Set("Content-Type", kind)
	answer, err := c.Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

const (
	jsonType  = "application/json"
	patchType = "application/json-patch+json"
	linesType = "application/x-ndjson"
)

// attack is one way of asking for much.
type attack struct {
	name        string
	connections int
	request     func(connection, n int) (method, path, kind string, body []byte) // nil: it computes
}

func main() {
	flag.Parse()
	ctx := context.Background()
	large := largeDocument()
	if *role != "" {
		for _, a := range attacks(large) {
			if a.name == *role {
				a.run(ctx)
			}
		}
		return
	}
	attacker := from("127.0.0.2")
	for i := range 512 {
		status := attacker.do(ctx, "PUT", fmt.Sprintf("/user/attacker%d/settings", i), jsonType, large)
		if status >= 300 || status == 0 {
			fmt.Fprintln(os.Stderr, "the attacker can't save a document:", status)
			os.Exit(1)
		}
	}
	fmt.Printf("%-38s %22s %22s %14s %7s %9s %9s\n", "", "reads: alone  attacked", "writes: alone  attacked",
		"times: r    w", "refused", "answers/s", "refused")
	fmt.Printf("%-38s %22s %22s\n", "one client does", "p50/p99 ms", "p50/p99 ms")
	for _, a := range attacks(large) {
		if !strings.Contains(a.name, *only) {
			continue
		}
		if err := measure(ctx, a); err != nil {
			fmt.Fprintln(os.Stderr, a.name+":", err)
			os.Exit(1)
		}
	}
}

// run is the attacker: it attacks until its input ends, and prints what it got.
func (a attack) run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	var accepted, refused atomic.Int64
	var all sync.WaitGroup
	attacker := from("127.0.0.2")
	for c := range a.connections {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if a.request == nil {
					continue
				}
				method, path, kind, body := a.request(c, n)
				switch status := attacker.do(ctx, method, path, kind, body); {
				case status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
					refused.Add(1)
				case status > 0:
					accepted.Add(1)
				}
			}
		})
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	all.Wait()
	fmt.Println(accepted.Load(), refused.Load())
}

// measure runs an attack, and prints what the bystander sees before and beside it in milliseconds.
func measure(ctx context.Context, a attack) error {
	bystander := from("127.0.0.1")
	alone := bystander.ask(ctx)
	c := exec.CommandContext(ctx, os.Args[0], "--url", *base, "--attack", a.name)
	c.Stderr = os.Stderr
	var answers bytes.Buffer
	c.Stdout = &answers
	input, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return err
	}
	began := time.Now()
	time.Sleep(time.Second) // until the attack is in full swing
	beside := bystander.ask(ctx)
	took := time.Since(began).Seconds()
	_ = input.Close()
	if err := c.Wait(); err != nil {
		return err
	}
	var accepted, refused float64
	if _, err := fmt.Sscan(answers.String(), &accepted, &refused); err != nil {
		return err
	}
	pair := func(took []time.Duration) string {
		return fmt.Sprintf("%.1f/%.1f", at(took, 50), at(took, 99))
	}
	fmt.Printf("%-38s %10s %11s %10s %11s %7.1f %6.1f %7d %9.0f %9.0f\n", a.name, pair(alone.reads),
		pair(beside.reads), pair(alone.writes), pair(beside.writes),
		at(beside.reads, 99)/at(alone.reads, 99), at(beside.writes, 99)/at(alone.writes, 99),
		alone.refused+beside.refused, accepted/took, refused/took)
	return nil
}

// seen is how long a bystander waited, and how often he was refused.
type seen struct {
	reads, writes []time.Duration
	refused       int
}

// ask writes and reads a document, a millisecond apart.
func (c *client) ask(ctx context.Context) (s seen) {
	once := func(took *[]time.Duration, method string, body []byte) {
		began := time.Now()
		if status := c.do(ctx, method, "/user/bystander/settings", jsonType, body); status >= 300 ||
			status == 0 {
			s.refused++
		}
		*took = append(*took, time.Since(began))
		time.Sleep(time.Millisecond)
	}
	theme := 0
	for until := time.Now().Add(*duration); time.Now().Before(until); theme++ {
		once(&s.writes, "PUT", fmt.Appendf(nil, `{"theme":%d}`, theme))
		once(&s.reads, "GET", nil)
	}
	return s
}

// at is a percentile in milliseconds.
func at(took []time.Duration, percent int) float64 {
	slices.Sort(took)
	return float64(took[min(len(took)-1, len(took)*percent/100)].Microseconds()) / 1000
}

func user(n int) string { return fmt.Sprintf("/user/attacker%d/settings", n%512) }

func attacks(large []byte) []attack {
	reads := batchOf(100, func(i int) map[string]any {
		return map[string]any{"method": "GET", "path": user(i) + "/key00001"}
	})
	patch := testsOf(large)
	patches := batchOf(100, func(i int) map[string]any {
		return map[string]any{
			"method": "PATCH", "path": user(i), "body": json.RawMessage(patch),
			"headers": map[string]string{"Content-Type": patchType},
		}
	})
	lines := importOf(large)
	schema := []byte(`{"allOf":[` + strings.Repeat("{},", 2979) + `{"type":7}]}`)
	always := func(method, path, kind string, body []byte) func(int, int) (string, string, string, []byte) {
		return func(int, int) (string, string, string, []byte) { return method, path, kind, body }
	}
	patching := func(c, n int) (string, string, string, []byte) {
		return "PATCH", user(c*7 + n), patchType, patch
	}
	value := always("GET", user(1)+"/key00001", jsonType, nil)
	return []attack{
		{"control: nothing", 0, nil},
		{"control: 1 process computes", 1, nil},
		{"control: 2 processes compute", 2, nil},
		{"control: unknown paths, 512", 512, always("GET", "/nothing", jsonType, nil)},
		{"/batch of 100 reads of a value, 8", 8, always("POST", "/batch", jsonType, reads)},
		{"/batch of 100 reads of a value, 16", 16, always("POST", "/batch", jsonType, reads)},
		{"/batch of 100 patches of 64 KB, 4", 4, always("POST", "/batch", jsonType, patches)},
		{"patches of 64 KB, 64", 64, patching},
		{"patches of 64 KB, 256", 256, patching},
		{"imports of lines of 64 KB, 8", 8, always("POST", "/users/import", linesType, lines)},
		{"reads of one value of one user, 512", 512, value},
		{"schemas that are refused, 16", 16, always("PUT", "/schema", jsonType, schema)},
		{"restores of 64 KB, 8", 8, func(c, _ int) (string, string, string, []byte) {
			return "POST", fmt.Sprintf("/user/attacker%d/history/1/restore", c), jsonType, nil
		}},
	}
}

// largeDocument has about 64 KB in thousands of keys.
func largeDocument() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < 62_000; i++ {
		fmt.Fprintf(&b, `,"key%05d":%d`, i, i)
	}
	return append(append([]byte(`{"first":0`), b.Bytes()...), '}')
}

// testsOf is a JSON patch of about as many bytes, which compares values and changes one.
func testsOf(large []byte) []byte {
	var b bytes.Buffer
	b.WriteString(`[{"op":"replace","path":"/first","value":0}`)
	for i := 0; b.Len() < min(len(large), 62_000); i++ {
		fmt.Fprintf(&b, `,{"op":"test","path":"/key%05d","value":%d}`, i, i)
	}
	b.WriteByte(']')
	return b.Bytes()
}

func batchOf(n int, request func(int) map[string]any) []byte {
	requests := make([]map[string]any, n)
	for i := range requests {
		requests[i] = request(i)
	}
	body, err := json.Marshal(map[string]any{"operations": requests})
	if err != nil {
		panic(err)
	}
	return body
}

func importOf(large []byte) []byte {
	var b bytes.Buffer
	for i := range 200 {
		fmt.Fprintf(&b, "{\"user\":\"attacker%d\",\"settings\":%s}\n", i, large)
	}
	return b.Bytes()
}
