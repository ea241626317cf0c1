package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/api"
	"github.com/outset-settings/outset/pkg/messages"
)

// TestSeed: the two routes, to the letter.
func TestSeed(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()

	s.has("42", 0, `{}`)
	a := s.post("42", `{"theme":"dark","language":"fr"}`)
	if want := `{"status":"settings updated","userId":"42","settings":{"theme":"dark","language":"fr"}}`; a.status != http.StatusOK || a.body != want {
		t.Errorf("POST: %d %s, want %s", a.status, a.body, want)
	}
	for name, want := range map[string]string{
		"ETag": `"1"`, "Content-Type": "application/json", "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("POST: %s is %q, want %q", name, got, want)
		}
	}
	s.has("42", 1, `{"theme":"dark","language":"fr"}`)

	exact := " {\"b\":1.10,\n\t\"a\":9007199254740993, \"__proto__\":{\"x\":\"\\u0000\"}, \"שלום\":\"😀\" } "
	if a := s.post("42", exact); !json.Valid([]byte(a.body)) || !strings.Contains(a.body, exact) {
		t.Errorf("POST: %s", a.body)
	}
	s.has("42", 2, exact)
	if a := s.do(http.MethodHead, "/user/42/settings", ""); a.status != http.StatusOK || a.body != "" || a.header.Get("ETag") != `"2"` {
		t.Errorf("HEAD: %+v", a)
	}
	if a := s.do(http.MethodPost, "/user/42/settings", `{}`, `Content-Type: Application/JSON; charset="UTF-8"`); a.status != http.StatusOK {
		t.Errorf("POST with a charset: %+v", a)
	}
}

// TestUserIDs: any printable text is an id of its own, whatever it means elsewhere.
func TestUserIDs(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	ids := []string{
		"42", "042", "auth0|ab12", "ann@example.org", "日本", "👩‍👧", "a/b", "a%2Fb", "..", ".", "a b",
		"a+b", "A", "a", "*", ">", "a.b",
		"' OR 1=1--", `"quoted"\`, "<script>", "settings", "{}", "?", "#", "%", "~", "-", strings.Repeat("x", messages.MaxUser), strings.Repeat("日", 42),
	}
	for i, id := range ids {
		a := s.post(escape(id), fmt.Sprintf(`{"i":%d}`, i))
		var got struct {
			UserID string `json:"userId"`
		}
		if err := json.Unmarshal([]byte(a.body), &got); a.status != http.StatusOK || err != nil ||
			got.UserID != id {
			t.Errorf("%q: %d %s", id, a.status, a.body)
		}
	}
	for i, id := range ids {
		s.has(escape(id), 1, fmt.Sprintf(`{"i":%d}`, i))
	}
	s.has("~", 1, s.get("%7E").body) // spelt in two ways, the same id
}

// escape percent-encodes an id, dots included: clients resolve "..".
func escape(id string) string { return strings.ReplaceAll(url.PathEscape(id), ".", "%2E") }

// TestRawRequests: what Go's client would never send.
func TestRawRequests(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"no HTTP":            {"hello\r\n\r\n", 400},
		"bad escape":         {"GET /user/%zz/settings HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400},
		"dots are an id":     {"GET /user/../settings HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200},
		"two lengths":        {"POST /user/42/settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", 400},
		"two spellings":      {"POST /user/42/settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: +2\r\n\r\n{}", 400},
		"unknown coding":     {"POST /user/42/settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400},
		"chunked twice":      {"POST /user/42/settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400},
		"length and chunked": {"POST /user/42/settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp",
				strings.TrimPrefix(s.base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := conn.Write([]byte(c.request)); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != c.status {
				t.Errorf("status %d, want %d", response.StatusCode, c.status)
			}
		})
	}
	s.has("42", 0, `{}`)
}

// TestRequestID: a client's id is kept, a bad one is replaced, and both sides log it.
func TestRequestID(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	a := s.do("GET", "/user/42/settings", "", "X-Request-Id: my-id.7")
	if got := a.header.Get("X-Request-Id"); got != "my-id.7" {
		t.Errorf("X-Request-Id: %q", got)
	}
	// The API's line comes after the answer.
	eventually(t, "the API has logged it", func() bool {
		return strings.Contains(s.log.String(), "msg=request request_id=my-id.7")
	})
	if !strings.Contains(s.log.String(), "request_id=my-id.7 endpoint=read") {
		t.Errorf("the worker has not logged it: %s", s.log)
	}
	for _, bad := range []string{"a b", "a\"b", strings.Repeat("x", messages.MaxRequestID+1)} {
		if got := s.do("GET", "/user/42/settings", "",
			"X-Request-Id: "+bad).header.Get("X-Request-Id"); got == bad || got == "" {
			t.Errorf("%q became %q", bad, got)
		}
	}
	var p struct{ RequestID string }
	a = s.do("GET", "/nowhere", "", "X-Request-Id: my-id.8")
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.RequestID != "my-id.8" {
		t.Errorf("the problem: %s", a.body)
	}
}

// TestListen: addresses and limits that make no sense are refused at once.
func TestListen(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	for name, c := range map[string]struct {
		change func(*api.Config)
		want   string
	}{
		"taken": {func(c *api.Config) {
			c.HTTPAddr = strings.TrimPrefix(s.base,
				"http://")
		}, "HTTP_ADDR"},
		"nonsense":     {func(c *api.Config) { c.HTTPAddr = "here" }, "HTTP_ADDR"},
		"everywhere":   {func(c *api.Config) { c.HTTPAddr = "0.0.0.0:0" }, "AUTH=none"},
		"unknown auth": {func(c *api.Config) { c.Auth = "jwt" }, "AUTH"},
		"no time":      {func(c *api.Config) { c.RequestTimeout = 0 }, "REQUEST_TIMEOUT"},
		"no document":  {func(c *api.Config) { c.MaxDocument = 0 }, "MAX_DOCUMENT_BYTES"},
		"large document": {
			func(c *api.Config) { c.MaxDocument = messages.MaxDocument + 1 },
			"MAX_DOCUMENT_BYTES",
		},
		"bad origin": {
			func(c *api.Config) { c.CORSOrigins = []string{"example.org"} },
			"CORS_ORIGINS",
		},
		"negative grace": {func(c *api.Config) { c.WorkerGrace = -1 }, "WORKER_GRACE"},
	} {
		config := apiConfig
		c.change(&config)
		if _, err := api.Listen(s.connections(), config, s.log.Logger()); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a word about %s", name, err, c.want)
		}
	}
	config := apiConfig
	config.HTTPAddr, config.Auth = "0.0.0.0:0", "none"
	if _, stop := s.startAPI(config); stop != nil {
		stop()
	}
}
