package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/pkg/messages"
)

// Where bad input is tried, by the answer that it gets:
//
//	400, 422, 413 for documents and patches      TestStrictInput, TestBodies; pkg/messages
//	400 for what a head or a chunk may not be    TestRawHeads, TestRawChunks, here
//	400 for a key, a tag or an id                TestMalformedHeaders, here; TestStrictInput
//	401 for a token                              internal/access
//	404, 405, 415, 431                           TestStrictInput
//	200, byte for byte                           TestStrictInput, TestSeed
//	ignored                                      TestStrictInput
//	what comes over NATS                         pkg/messages, internal/queue, watch and worker

// rawHead is what a raw request of these tests is made of: the first line, and others.
func rawHead(first string, lines ...string) string {
	return first + "\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// TestRawHeads: whatever two servers could read in two ways is refused, over a socket, and the
// connection ends.
func TestRawHeads(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	host := "Host: " + strings.TrimPrefix(s.base, "http://")
	const (
		put    = "PUT /user/42/settings HTTP/1.1"
		get    = "GET /healthz HTTP/1.1"
		chunks = "Transfer-Encoding: chunked"
		body   = "2\r\n{}\r\n0\r\n\r\n"
	)
	for name, c := range map[string]struct {
		request string
		status  int // 0: anything but 400 and 505
	}{
		"length and chunks":      {rawHead(put, host, isJSON, "Content-Length: 12", chunks) + body, 400},
		"chunks and length":      {rawHead(put, host, isJSON, chunks, "Content-Length: 12") + body, 400},
		"identity":               {rawHead(put, host, isJSON, "Transfer-Encoding: identity"), 400},
		"identity and length":    {rawHead(put, host, isJSON, "Transfer-Encoding: identity", "Content-Length: 2") + "{}", 400},
		"identity, chunks":       {rawHead(put, host, isJSON, "Transfer-Encoding: identity, chunked") + body, 400},
		"chunks of chunks":       {rawHead(put, host, isJSON, "Transfer-Encoding: chunked, chunked") + body, 400},
		"chunks twice":           {rawHead(put, host, isJSON, chunks, chunks) + body, 400},
		"chunks with parameter":  {rawHead(put, host, isJSON, "Transfer-Encoding: chunked;q=1") + body, 400},
		"chunks, nearly":         {rawHead(put, host, isJSON, "Transfer-Encoding: xchunked") + body, 400},
		"chunks, empty":          {rawHead(put, host, isJSON, "Transfer-Encoding:") + body, 400},
		"chunks, folded":         {rawHead(put, host, isJSON, "Transfer-Encoding:", " chunked") + body, 400},
		"chunks, a tab":          {rawHead(put, host, isJSON, "Transfer-Encoding: \x0bchunked") + body, 400},
		"chunks, a space":        {rawHead(put, host, isJSON, "Transfer-Encoding : chunked") + body, 400},
		"chunks, two words":      {rawHead(put, host, isJSON, "Transfer Encoding: chunked") + body, 400},
		"chunks, in capitals":    {rawHead(put, host, isJSON, "TRANSFER-ENCODING: CHUNKED") + body, 0},
		"chunks of HTTP/1.0":     {rawHead("PUT /user/42/settings HTTP/1.0", host, isJSON, chunks) + body, 400},
		"a length twice":         {rawHead(put, host, isJSON, "Content-Length: 2", "Content-Length: 2") + "{}", 400},
		"two lengths":            {rawHead(put, host, isJSON, "Content-Length: 2", "Content-Length: 3") + "{}x", 400},
		"two lengths in a line":  {rawHead(put, host, isJSON, "Content-Length: 2, 2") + "{}", 400},
		"a length with a sign":   {rawHead(put, host, isJSON, "Content-Length: +2") + "{}", 400},
		"a negative length":      {rawHead(put, host, isJSON, "Content-Length: -2") + "{}", 400},
		"a hexadecimal length":   {rawHead(put, host, isJSON, "Content-Length: 0x2") + "{}", 400},
		"a length beyond all":    {rawHead(put, host, isJSON, "Content-Length: 99999999999999999999") + "{}", 400},
		"two types":              {rawHead(put, host, isJSON, isJSON, "Content-Length: 2") + "{}", 400},
		"two encodings":          {rawHead(put, host, isJSON, "Content-Encoding:", "content-encoding: gzip", "Content-Length: 2") + "{}", 400},
		"two keys":               {rawHead(put, host, isJSON, "Idempotency-Key: a", "idempotency-KEY: a", "Content-Length: 2") + "{}", 400},
		"two dates":              {rawHead(put, host, isJSON, "If-Unmodified-Since: a", "If-Unmodified-Since: b", "Content-Length: 2") + "{}", 200},
		"two valid dates":        {rawHead(put, host, isJSON, "If-Unmodified-Since: Thu, 01 Jan 2015 00:00:00 GMT", "If-Unmodified-Since: Thu, 01 Jan 2015 00:00:00 GMT", "Content-Length: 2") + "{}", 200},
		"two dates of a read":    {rawHead("GET /user/43/settings HTTP/1.1", host, "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT", "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT"), 200},
		"two cookies":            {rawHead(get, host, "Cookie: a=b", "Cookie: a=c"), 400},
		"two origins":            {rawHead(get, host, "Origin: a", "Origin: b"), 400},
		"two lists":              {rawHead(get, host, `If-None-Match: "1"`, `If-None-Match: "2"`, "Accept: a/b", "Accept: c/d"), 0},
		"two hosts":              {rawHead(get, host, host), 400},
		"no host":                {rawHead(get, "X: y"), 400},
		"an empty host":          {rawHead(get, "Host:"), 400},
		"no host, HTTP/1.0":      {rawHead("GET /healthz HTTP/1.0", "X: y"), 0},
		"a user in a host":       {rawHead(get, "Host: a@b"), 400},
		"a tag in a host":        {rawHead(get, "Host: <script>"), 400},
		"a byte in a host":       {rawHead(get, "Host: \xff"), 400},
		"a space in a host":      {rawHead(get, "Host: a b"), 400},
		"a path in a host":       {rawHead(get, "Host: a/b"), 400},
		"a port beyond all":      {rawHead(get, "Host: a:65536"), 400},
		"a port that is none":    {rawHead(get, "Host: a:http"), 400},
		"half an address":        {rawHead(get, "Host: [::1"), 400},
		"more than an address":   {rawHead(get, "Host: [::1]x"), 400},
		"an address of no kind":  {rawHead(get, "Host: [localhost]"), 400},
		"half an escape":         {rawHead(get, "Host: a%4"), 400},
		"an address":             {rawHead(get, "Host: [::1]:8080"), 0},
		"another one":            {rawHead(get, "Host: 127.0.0.1"), 0},
		"a name and a port":      {rawHead(get, "Host: localhost:8080"), 0},
		"two spaces":             {rawHead("GET  /healthz HTTP/1.1", host), 400},
		"an unknown version":     {rawHead("GET /healthz HTTP/9.9", host), 505},
		"a later version":        {rawHead("GET /healthz HTTP/1.2", host), 505},
		"a version to come":      {rawHead("GET /healthz HTTP/2.0", host), 505},
		"an old version":         {rawHead("GET /healthz HTTP/0.9", host), 505},
		"a long version":         {rawHead("GET /healthz HTTP/1.10", host), 400},
		"a small version":        {rawHead("GET /healthz http/1.1", host), 400},
		"the second version":     {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		"the second, no host":    {"GET /healthz HTTP/2.0\r\n\r\n", 505},
		"users in hosts":         {rawHead(get, "Host: a:b@localhost:80"), 400},
		"all in line feeds":      {"GET /healthz HTTP/1.1\n" + host + "\n\n", 400},
		"the first in one":       {"GET /healthz HTTP/1.1\n" + host + "\r\n\r\n", 400},
		"an end of line feeds":   {"GET /healthz HTTP/1.1\r\n" + host + "\r\n\n", 400},
		"a line feed at first":   {"\nGET /healthz HTTP/1.1\r\n" + host + "\r\n\r\n", 400},
		"half a head":            {"GET /healthz HTTP/1.1\r\nX: y\n", 400},
		"options of all":         {rawHead("OPTIONS * HTTP/1.1", host), 204},
		"another's host":         {rawHead("GET http://a@b/healthz HTTP/1.1", host), 400},
		"no host in the target":  {rawHead("GET http:///healthz HTTP/1.1", host), 400},
		"two slashes":            {rawHead("GET //localhost/healthz?x=:// HTTP/1.1", host), 400},
		"two slashes, no scheme": {rawHead("GET //localhost/healthz HTTP/1.1", host), 400},
		"a fragment":             {rawHead("GET /healthz#x HTTP/1.1", host), 400},
		"a star and more":        {rawHead("GET *http://localhost/healthz HTTP/1.1", host), 400},
		"another scheme":         {rawHead("GET ftp://localhost/healthz HTTP/1.1", host), 400},
		"a whole target":         {rawHead("GET http://localhost/healthz HTTP/1.1", host), 0},
		"no slash":               {rawHead("GET healthz HTTP/1.1", host), 400},
		"a star":                 {rawHead("GET * HTTP/1.1", host), 400},
		"a line feed alone":      {"GET /healthz HTTP/1.1\r\n" + host + "\nX: y\r\n\r\n", 400},
		"a carriage return":      {rawHead(get, host, "X: y\rZ: a"), 400},
		"a NUL":                  {rawHead(get, host, "X: \x00"), 400},
		"a folded line":          {rawHead(get, host, "X: y", "\tz"), 400},
		"a space at first":       {rawHead(get, " "+host), 400},
		"no colon":               {rawHead(get, host, "X"), 400},
		"no name":                {rawHead(get, host, ": x"), 400},
		"a name with a bracket":  {rawHead(get, host, "X(: y"), 400},
		"an empty line at first": {"\r\n" + rawHead(get, host), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.dialRaw(t)
			_, _ = io.WriteString(conn, c.request)
			answers := bufio.NewReader(conn)
			a, err := readAnswer(answers)
			if c.status < 400 {
				if err != nil || a.status == 400 || a.status == 505 ||
					c.status != 0 && a.status != c.status {
					t.Errorf("%+v, %v", a, err)
				}
				return
			}
			if err != nil || a.status != c.status || a.header.Get("Connection") != "close" ||
				a.header.Get("Content-Type") != "application/problem+json" ||
				a.header.Get("X-Request-Id") == "" {
				t.Fatalf("%+v, %v; want %d", a, err, c.status)
			}
			_ = conn.CloseWrite()
			if rest, err := io.ReadAll(answers); len(rest) > 0 {
				t.Errorf("after the answer: %q, %v", rest, err)
			}
		})
	}
}

// TestRawChunks: what a body brings along beside its bytes is bounded.
func TestRawChunks(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	host := "Host: " + strings.TrimPrefix(s.base, "http://")
	document := `{"x":"` + strings.Repeat("x", 60<<10) + `"}`
	put := rawHead("PUT /user/42/settings HTTP/1.1", host, isJSON, "Transfer-Encoding: chunked")
	extended := func(n int) string {
		return strings.ReplaceAll(chunked(document, 100), "\r\nx", ";"+strings.Repeat("e", n)+"\r\nx")
	}
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"a byte each":             {put + chunked(document, 1), http.StatusOK},
		"small extensions":        {put + extended(100), http.StatusOK},
		"large extensions":        {put + extended(5000), http.StatusBadRequest},
		"one large extension":     {put + "2;" + strings.Repeat("e", 1<<20) + "\r\n{}\r\n0\r\n\r\n", http.StatusBadRequest},
		"an extension of the end": {put + "2\r\n{}\r\n0;" + strings.Repeat("e", 1<<20) + "\r\n\r\n", http.StatusBadRequest},
		"a line feed in one":      {put + "2;a\nb\r\n{}\r\n0\r\n\r\n", http.StatusBadRequest},
		"a trailer":               {put + "2\r\n{}\r\n0\r\nIf-Match: \"7\"\r\n\r\n", http.StatusBadRequest},
		"large trailers":          {put + "2\r\n{}\r\n0\r\n" + strings.Repeat("X: y\r\n", 100_000) + "\r\n", http.StatusBadRequest},
		"a size beyond all":       {put + "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n", http.StatusBadRequest},
		"a negative size":         {put + "-2\r\n{}\r\n0\r\n\r\n", http.StatusBadRequest},
		"a size with a prefix":    {put + "0x2\r\n{}\r\n0\r\n\r\n", http.StatusBadRequest},
		"no size":                 {put + "\r\n{}\r\n0\r\n\r\n", http.StatusBadRequest},
		"a line feed alone":       {put + "2\n{}\n0\n\n", http.StatusBadRequest},
		"more than its size":      {put + "2\r\n{}}\r\n0\r\n\r\n", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.dialRaw(t)
			go func() { _, _ = io.WriteString(conn, c.request) }()
			r := bufio.NewReader(conn)
			if a, err := readAnswer(r); err != nil || a.status != c.status {
				t.Errorf("%.300v, %v; want %d", a, err, c.status)
			}
			if c.status == http.StatusBadRequest {
				if _, err := r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the connection goes on: %v", err)
				}
			}
		})
	}
	t.Run("of an import", func(t *testing.T) {
		t.Parallel()
		conn := s.dialRaw(t)
		line := `{"user":"a","settings":{}}` + "\n"
		go func() {
			_, _ = io.WriteString(conn, rawHead("POST /users/import HTTP/1.1", host,
				"Content-Type: application/x-ndjson", "Transfer-Encoding: chunked")+
				fmt.Sprintf("%x\r\n%s\r\n1;%s\r\n", len(line), line, strings.Repeat("e", 1<<20)))
		}()
		a, _ := readAnswer(bufio.NewReader(conn)) // which is cut
		if a.status != http.StatusOK || !strings.Contains(a.body, `"version":`) ||
			!strings.Contains(a.body, `"kind":"malformed"`) {
			t.Errorf("%+v", a)
		}
	})
}

// TestMalformedHeaders: a key or a tag that is none is refused, and nothing is changed.
func TestMalformedHeaders(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for _, line := range []string{
		"Idempotency-Key: ", "Idempotency-Key: " + strings.Repeat("k", messages.MaxID+1),
		`Idempotency-Key: ""`, `Idempotency-Key: "a`, "Idempotency-Key: a b", "Idempotency-Key: ä",
		"Idempotency-Key: \"a\tb\"", "If-Match: ", "If-Match: 7", `If-Match: "7`, `If-Match: "7" "8"`,
		`If-Match: "a b"`, `If-None-Match: W/7`, "If-None-Match: **", `If-Match: *, "7"`,
		"If-Match: " + strings.Repeat(`"7",`, messages.MaxVersions+1),
	} {
		if a := s.do(http.MethodPut, "/user/42/settings", `{}`, isJSON, line); a.status != 400 ||
			!strings.Contains(a.body, "problems/malformed") {
			t.Errorf("%.80q: %d %s", line, a.status, a.body)
		}
	}
	s.has("42", 0, `{}`)
	a := s.do(http.MethodPut, "/user/42/settings", `{}`, isJSON, "If-Match: 7-hmw2k3p9x4")
	malformedWith(t, "a tag without quotes", a,
		`If-Match: 7-hmw2k3p9x4 is not an entity tag, which is in quotes, like "7-hmw2k3p9x4"`)
}

// FuzzHeaders: what is taken for a key, a list of tags, a cursor or a host is within its limits.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{
		"k", `"k 1"`, `"`, `W/"7", "8"`, "*", `"7",,"9"`, ",", "AWFubg", "AQ", "localhost:8080",
		"[::1]", "a@b", "%41", strings.Repeat("k", 300),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := api.ParseKey(text); err == nil && (key == "" || len(key) > messages.MaxID) {
			t.Errorf("the key %q of %q", key, text)
		}
		v, err := api.ParseTags(text)
		if err == nil && (len(v.Listed) > messages.MaxVersions ||
			slices.ContainsFunc(v.Listed, func(t messages.Tag) bool { return t.Version < 0 })) {
			t.Errorf("the tags %v of %q", v, text)
		}
		id, err := api.CursorID(text)
		if err == nil && text != "" && (messages.CheckUser(id) != nil || api.CursorOf(id) != text) {
			t.Errorf("the cursor %q is after %q", text, id)
		}
		if api.ValidHost(text) && strings.ContainsAny(text, "@/\\<> \t\r\n\x00\x7f") {
			t.Errorf("the host %q", text)
		}
	})
}

// FuzzHead: what passes as a head has one length and one host, and nothing panics.
func FuzzHead(f *testing.F) {
	for _, seed := range []string{
		rawHead("GET / HTTP/1.1", "Host: x"),
		rawHead("PUT http://a:1/b HTTP/1.0", "Host: [::1]:80", "Content-Length: 2") + "{}",
		rawHead("PUT / HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "Content-Length: 2"),
		rawHead("PUT / HTTP/1.1", "host: x", "TRANSFER-ENCODING: CHUNKED", "X: y", " z"),
		rawHead("OPTIONS * HTTP/1.1", "Host: a%41"), "GET / HTTP/1.1\nHost: x\n\r\n\r\n",
		rawHead("CONNECT a:1 HTTP/1.1", "Host: <"), rawHead("GET / HTTP/9.9", "Cookie: a", "Cookie: b"),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, err := api.CheckHead(data)
		if err != nil {
			return
		}
		// What net/http reads of the same bytes, where it reads anything.
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(data))))
		if err != nil {
			return
		}
		if n := len(r.Header.Values("Content-Type")); n > 1 {
			t.Errorf("%d types in %q", n, data)
		}
		if chunked := len(r.TransferEncoding) > 0; chunked != (fields.Length == -1) {
			t.Errorf("chunked: %v, here the length is %d, in %q", chunked, fields.Length, data)
		}
		// The target may have a host of its own, which net/http prefers.
		if strings.HasPrefix(r.RequestURI, "/") && !strings.HasPrefix(r.RequestURI, "//") &&
			r.Host != fields.Host {
			t.Errorf("the host is %q, here %q", r.Host, fields.Host)
		}
	})
}
