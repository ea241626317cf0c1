// Command shares measures what one client who asks for much costs another. It attacks a running
// Outset that needs no tokens (AUTH=none) from 127.0.0.2, in one way after the other, while a
// bystander on 127.0.0.1 reads and writes a document of his own:
//
//	bin/outset up --auth none --http 127.0.0.1:8080 &
//	go run ./bench/shares --url http://127.0.0.1:8080
//
// The attacker shares the machine with the system, so a part of what the bystander waits for is his
// processor time.
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
	request     func(connection, n int) (method, path, kind string, body []byte)
}

func main() {
	flag.Parse()
	ctx := context.Background()
	attacker, bystander := from("127.0.0.2"), from("127.0.0.1")
	large := largeDocument()
	for i := range 512 {
		status := attacker.do(ctx, "PUT", fmt.Sprintf("/user/attacker%d/settings", i), jsonType, large)
		if status >= 300 || status == 0 {
			fmt.Fprintln(os.Stderr, "the attacker can't save a document:", status)
			os.Exit(1)
		}
	}
	fmt.Printf("%-44s %9s %9s %9s %9s %8s %10s\n", "one client does", "read p50", "p99", "write p50",
		"p99", "refused", "its own/s")
	for _, a := range attacks(large) {
		if strings.Contains(a.name, *only) {
			measure(ctx, a, attacker, bystander)
		}
	}
}

// measure runs an attack, and prints what the bystander sees in milliseconds.
func measure(ctx context.Context, a attack, attacker, bystander *client) {
	attacking, stop := context.WithTimeout(ctx, *duration+time.Second)
	defer stop()
	var done atomic.Int64
	var all sync.WaitGroup
	for c := range a.connections {
		all.Go(func() {
			for n := 0; attacking.Err() == nil; n++ {
				method, path, kind, body := a.request(c, n)
				if attacker.do(attacking, method, path, kind, body) > 0 {
					done.Add(1)
				}
			}
		})
	}
	time.Sleep(time.Second) // until the attack is in full swing
	var reads, writes []time.Duration
	refused := 0
	ask := func(took *[]time.Duration, method string, body []byte) {
		began := time.Now()
		if status := bystander.do(ctx, method, "/user/bystander/settings", jsonType, body); status >= 300 ||
			status == 0 {
			refused++
		}
		*took = append(*took, time.Since(began))
		time.Sleep(time.Millisecond)
	}
	for until := time.Now().Add(*duration); time.Now().Before(until); {
		ask(&writes, "PUT", []byte(`{"theme":"dark"}`))
		ask(&reads, "GET", nil)
	}
	stop()
	all.Wait()
	fmt.Printf("%-44s %9.1f %9.1f %9.1f %9.1f %8d %10.0f\n", a.name, at(reads, 50), at(reads, 99),
		at(writes, 50), at(writes, 99), refused, float64(done.Load())/(duration.Seconds()+1))
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
		{"nothing", 0, nil},
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
