package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

const isLines = "Content-Type: application/x-ndjson"

// outcomes are the lines of an import's answer in short.
func outcomes(t *testing.T, body string) []string {
	t.Helper()
	var all []string
	for _, l := range readLines(t, body) {
		switch {
		case l.End:
			all = append(all, fmt.Sprintf("end: %d = %d + %d", l.Lines, l.Applied, l.Failed))
		case l.Error != nil && l.Line == 0:
			all = append(all, "error "+l.Error.Kind)
		case l.Error != nil:
			all = append(all, fmt.Sprintf("%d %s: %d %s", l.Line, l.User, l.Status, l.Error.Kind))
		default:
			all = append(all, fmt.Sprintf("%d %s: %d version %d", l.Line, l.User, l.Status, l.Version))
		}
	}
	return all
}

// TestImport: each line has its own outcome, and what is written is written exactly.
func TestImport(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	large := strings.Repeat("x", 64<<10-8)
	input := lines(
		`{"user":"ann","settings":{ "a" : 1.10 }}`,
		``,
		`  `,
		`{"version":7,"time":"x","settings":{"nested":{"user":"x"}},"user":"b\"日"} `,
		`{"user":"misspelt","settings":{},"setings":{}}`,
		`{"user":"text","text":" {\n\"a\":\u0022\\u0000\"}\r"}`+"\r",
		`{"user":"ann","settings":{"a":2}}`,
		`{"user":"list","settings":[]}`,
		`{"user":"text2","text":"{"}`,
		`{"user":"twice","settings":{"a":1,"a":2}}`,
		`{"user":"x","settings":{}} {}`,
		`{"user":"x","settings":{}`,
		`[]`,
		`{"user":"x"}`,
		`{"user":"x","settings":{},"text":"{}"}`,
		`{"user":"x","user":"y","settings":{}}`,
		`{"user":"","settings":{}}`,
		`{"user":"a\u0000","settings":{}}`,
		`{"user":7,"settings":{}}`,
		`{"user":"x","text":{}}`,
		`{"settings":{}}`,
		"{\"user\":\"\xff\",\"settings\":{}}",
		`{"user":"large","settings":{"x":"`+large+`"}}`,
		`{"user":"larger","settings":{"x":"`+large+`x"}}`,
		`{"user":"escaped","text":"`+strings.Repeat(`\u0020`, 64<<10-2)+`{}"}`,
		`{"user":"longest","text":"`+strings.Repeat(`\u0020`, 70<<10)+`"}`,
		`{"user":"ann","settings":{"a":3}}`,
	)
	a := s.do("POST", "/users/import", input, isLines)
	want := []string{
		"1 ann: 200 version 1", "4 b\"日: 200 version 1", "5 : 400 malformed", "6 text: 200 version 1", "7 ann: 200 version 2", "8 list: 422 invalid-document",
		"9 text2: 400 malformed", "10 : 400 malformed", "11 : 400 malformed", "12 : 400 malformed", "13 : 400 malformed", "14 x: 400 malformed",
		"15 x: 400 malformed", "16 : 400 malformed", "17 : 400 malformed", "18 : 400 malformed", "19 : 400 malformed", "20 : 400 malformed",
		"21 : 400 malformed", "22 : 400 malformed", "23 large: 200 version 1", "24 larger: 413 too-large", "25 escaped: 200 version 1",
		"26 : 413 too-large", "27 ann: 200 version 3", "end: 25 = 7 + 18",
	}
	if got := outcomes(t, a.body); a.status != http.StatusOK || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d %s", a.status, strings.Join(got, "\n"))
	}
	s.has("ann", 3, `{"a":3}`)
	s.has(escape(`b"日`), 1, `{"nested":{"user":"x"}}`)
	s.has("text", 1, " {\n\"a\":\"\\u0000\"}\r")
	s.has("large", 1, `{"x":"`+large+`"}`)
	s.has("larger", 0, `{}`)
	s.has("escaped", 1, strings.Repeat(" ", 64<<10-2)+"{}")
	if a := s.do("GET", "/user/ann/history/1", ""); a.body != `{ "a" : 1.10 }` {
		t.Errorf("the first version: %+v", a)
	}
	if a := s.do("GET", "/user/ann/history", ""); strings.Count(a.body, `"operation":"replace"`) != 3 {
		t.Errorf("the history: %s", a.body)
	}
}

// TestImportEnds: where an export ends in the input, with and without a word, and what follows it.
func TestImportEnds(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	const one = `{"user":"42","settings":{}}` + "\n"
	for name, c := range map[string]struct{ input, want string }{
		"nothing":          {"", "end: 0 = 0 + 0"},
		"blank":            {"\n \r\n\t", "end: 0 = 0 + 0"},
		"the end":          {`{"end":true}`, "end: 0 = 0 + 0"},
		"as told":          {one + "\n" + one + `{"end":true,"users":2}`, "end: 2 = 2 + 0"},
		"fewer":            {one + `{"end":true,"users":2}`, "2 : 422 invalid-document\nend: 2 = 1 + 1"},
		"more after it":    {one + `{"end":true,"users":1}` + "\n" + one, "end: 2 = 2 + 0"},
		"two exports":      {one + `{"end":true,"users":1}` + "\n\n" + one + one + `{"end":true,"users":2}` + "\n", "end: 3 = 3 + 0"},
		"more after fewer": {one + `{"end":true,"users":2}` + "\n" + one + `{"end":true,"users":1}`, "\nend: 3 = 2 + 1"},
		"of all":           {one + `{"end":true,"users":1}` + "\n" + one + `{"end":true,"users":2}`, "4 : 422 invalid-document\nend: 3 = 2 + 1"},
		"ends and ends":    {strings.Repeat(`{"end":true,"users":0}`+"\n", 1000) + one, "end: 1 = 1 + 0"},
		"not the end":      {`{"user":"42","settings":{},"end":false,"users":9}`, "end: 1 = 1 + 0"},
		"a cut export":     {one + `{"error":{"type":"../problems/internal"}}`, "2 : 400 malformed\nend: 2 = 1 + 1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do("POST", "/users/import", c.input, isLines)
			if got := strings.Join(outcomes(t, a.body), "\n"); !strings.HasSuffix(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	s.story(t, "no import",
		exchange{"POST /users/import", isJSON, `{"user":"42","settings":{}}`, 415, "", problem("unsupported-media-type")},
		exchange{"POST /users/import", lines(isLines, "Content-Encoding: br"), `x`, 415, "", problem("unsupported-media-type")},
		exchange{"POST /users/import", isJSON, strings.Repeat("x", 5<<20), 415, "", problem("unsupported-media-type")},
		exchange{"GET /users/import", "", "", 405, "Allow: POST, OPTIONS", problem("method-not-allowed")},
		exchange{"POST /users/export", isLines, "{}", 405, "Allow: GET, HEAD, OPTIONS", problem("method-not-allowed")})
}

// TestImportOfExport: what one gives the other takes, and nothing is lost on the way.
func TestImportOfExport(t *testing.T) {
	t.Parallel()
	from, to := newSystem(t, apiConfig), newSystem(t, apiConfig)
	from.startWorker()
	to.startWorker()
	var input strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&input, `{"user":"u%d","settings":{"i":%d}}`+"\n", i, i)
	}
	input.WriteString(`{"user":"spaced","text":"\t{\r\n \"😀\" : [1E+2, \"\\ud83d\\ude00\"]}"}`)
	if a := from.do("POST", "/users/import", input.String(), isLines); !strings.HasSuffix(a.body, `{"end":true,"lines":2001,"applied":2001,"failed":0}`+"\n") {
		t.Fatalf("%.500s", a.body)
	}
	export := func(s *system) string { return s.do("GET", "/users/export", "").body }
	first := export(from)
	if a := to.do("POST", "/users/import", first, "Content-Type: application/x-ndjson; charset=utf-8"); !strings.HasSuffix(a.body, `{"end":true,"lines":2001,"applied":2001,"failed":0}`+"\n") {
		t.Fatalf("%.500s", a.body)
	}
	if a := to.do("POST", "/users/import", first+first, isLines); !strings.HasSuffix(a.body, `{"end":true,"lines":4002,"applied":4002,"failed":0}`+"\n") {
		t.Fatalf("twice: %.500s", a.body)
	}
	second := readLines(t, export(to))
	for i, l := range readLines(t, first) {
		if second[i].User != l.User || second[i].document() != l.document() {
			t.Errorf("%+v became %+v", l, second[i])
		}
	}
}

// TestImportOrder: lines of one user are applied in their order, however close they are.
func TestImportOrder(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	var input strings.Builder
	last, versions := make(map[string]string), make(map[string]int)
	for i := range 3000 {
		user := fmt.Sprintf("u%d", i*i%17*(i%5))
		last[user] = fmt.Sprintf(`{"i":%d}`, i)
		versions[user]++
		fmt.Fprintf(&input, `{"user":%q,"settings":%s}`+"\n", user, last[user])
	}
	s.do("POST", "/users/import", input.String(), isLines)
	for user, document := range last {
		s.has(user, versions[user], document)
	}
}

// TestImportDialogue: who waits for outcomes before sending more gets them.
func TestImportDialogue(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	out, in := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/users/import", out)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	response, err := s.client.Do(r) // answers before there is anything
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answers := bufio.NewScanner(response.Body)
	for i := 1; i <= 20; i++ {
		fmt.Fprintf(in, `{"user":"42","settings":{"i":%d}}`+"\n", i)
		if want := fmt.Sprintf(`{"line":%d,"user":"42","status":200,"version":%d}`, i, i); !answers.Scan() || answers.Text() != want {
			t.Fatalf("%q, want %s: %v", answers.Text(), want, answers.Err())
		}
	}
	_ = in.Close()
	if !answers.Scan() || answers.Text() != `{"end":true,"lines":20,"applied":20,"failed":0}` || answers.Scan() {
		t.Errorf("%q", answers.Text())
	}
}

// TestImportBroken: a request that doesn't come to its end is told from one that does.
func TestImportBroken(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	config := apiConfig
	config.ReadTimeout = 200 * time.Millisecond
	impatient := &system{t: t, log: s.log, nats: s.nats, tags: new(tags)}
	impatient.base, _ = impatient.startAPI(config)
	const head = "POST /users/import HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
	const one = `{"user":"42","settings":{}}` + "\n"
	for name, c := range map[string]struct {
		request string
		then    string
		want    string
	}{
		"with a length":         {head + "Content-Length: 1000\r\n\r\n" + one, "end", "malformed"},
		"a long one":            {head + "Content-Length: 1000000\r\n\r\n" + strings.Repeat(one, 1000), "end", "malformed"},
		"in a chunk":            {head + "Transfer-Encoding: chunked\r\n\r\n100\r\n" + one, "end", "malformed"},
		"after a chunk":         {head + "Transfer-Encoding: chunked\r\n\r\n1c\r\n" + one + "\r\n", "end", "malformed"},
		"no chunk":              {head + "Transfer-Encoding: chunked\r\n\r\n1c\r\n" + one + "\r\nxyz\r\n", "", "malformed"},
		"in the middle of one":  {head + "Transfer-Encoding: chunked\r\n\r\n1f\r\n" + one + "{\"u\r\n", "end", "malformed"},
		"no more lines":         {head + "Transfer-Encoding: chunked\r\n\r\n1c\r\n" + one + "\r\n", "", "request-timeout"},
		"a line of drops":       {head + "Content-Length: 1000000\r\n\r\n" + one, "x", "request-timeout"},
		"blank lines":           {head + "Content-Length: 1000000\r\n\r\n" + one, "\n", "request-timeout"},
		"ends":                  {head + "Content-Length: 1000000\r\n\r\n" + one, `{"end":true}` + "\n", "request-timeout"},
		"lines that are bad":    {head + "Content-Length: 1000000\r\n\r\n" + one, "{}\n", "request-timeout"},
		"no line to begin with": {head + "Transfer-Encoding: chunked\r\n\r\n", "", "request-timeout"},
	} {
		// One after the other, since there are few places for imports.
		t.Run(name, func(t *testing.T) {
			to := s
			if c.want == "request-timeout" {
				to = impatient
			}
			a, err := to.exchangeRaw(t, func(conn *net.TCPConn) {
				_, _ = io.WriteString(conn, c.request)
				if c.then == "end" {
					_ = conn.CloseWrite()
					return
				}
				drops := time.NewTicker(config.ReadTimeout / 5) // less than the least rate
				defer drops.Stop()
				for err := error(nil); err == nil && c.then != ""; <-drops.C {
					_, err = io.WriteString(conn, c.then)
				}
			})
			if a.status != http.StatusOK { // what comes within the first bytes is an ordinary refusal
				if err != nil || !strings.Contains(a.body, "problems/"+c.want) {
					t.Errorf("%+v, %v", a, err)
				}
				return
			}
			got := outcomes(t, a.body)
			if err == nil || got[len(got)-1] != "error "+c.want {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// TestImportTrouble: what workers can't do for a moment is asked of them again, with the same ids.
func TestImportTrouble(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	var (
		mu   sync.Mutex
		seen = make(map[string]int) // by id
	)
	s.startFake(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		mu.Lock()
		defer mu.Unlock()
		reply := &messages.Reply{Worker: "w"}
		for _, o := range r.Operations {
			result := messages.Result{Version: 1}
			if seen[o.ID]++; seen[o.ID] < 3 {
				result = messages.Result{Kind: []messages.Kind{messages.KindUnavailable, messages.KindOutcomeUnknown}[len(o.User)%2]}
			}
			reply.Results = append(reply.Results, result)
		}
		return reply
	})
	var input strings.Builder
	for i := range 300 {
		fmt.Fprintf(&input, `{"user":"u%d","settings":{}}`+"\n", i)
	}
	a := s.do("POST", "/users/import", input.String(), isLines)
	if !strings.HasSuffix(a.body, `{"end":true,"lines":300,"applied":300,"failed":0}`+"\n") || len(seen) != 300 {
		t.Errorf("%d ids, %.500s", len(seen), a.body)
	}
}

// startImpatient runs an API whose streams give up soon.
func (s *system) startImpatient() {
	short := timing
	short.Persistence = 200 * time.Millisecond
	_, s.base, _ = s.startWith(apiConfig, short, 0)
}

// TestImportStuck: what can't be written for long is the failure of its lines. Only where that is
// all, the import ends.
func TestImportStuck(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startImpatient()
	s.startStuck()
	a := s.do("POST", "/users/import", lines(`{"user":"a","settings":{}}`, `{"user":"stuck","settings":{}}`, `{"user":"b","settings":{}}`), isLines)
	if got := outcomes(t, a.body); strings.Join(got, "\n") != "1 a: 200 version 1\n2 stuck: 503 unavailable\n3 b: 200 version 1\nend: 3 = 2 + 1" {
		t.Error(got)
	}
	a = s.cutOff("POST", "/users/import", lines(`{"user":"stuck","settings":{}}`, `[]`), isLines)
	if got := outcomes(t, a.body); len(got) < 2 || got[0] != "1 stuck: 503 unavailable" || got[len(got)-1] != "error unavailable" || !strings.Contains(a.body, "nothing could be written") {
		t.Error(got)
	}
}

// startStuck is a worker that can't write for one user.
func (s *system) startStuck() (asked chan struct{}) {
	asked = make(chan struct{}, 1000)
	s.startFake(messages.WriteSubject, func(r messages.Request) *messages.Reply {
		reply := &messages.Reply{Worker: "w"}
		for _, o := range r.Operations {
			result := messages.Result{Version: 1}
			if o.User == "stuck" {
				result = messages.Result{Kind: messages.KindUnavailable}
				select {
				case asked <- struct{}{}:
				default:
				}
			}
			reply.Results = append(reply.Results, result)
		}
		return reply
	})
	return asked
}

// TestImportStuckStop: whoever is waiting for a write when the API stops hears that it does.
func TestImportStuckStop(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	asked := s.startStuck()
	base, stop := s.startAPI(apiConfig)
	s.base = base
	go func() {
		<-asked
		stop()
	}()
	a := s.cutOff("POST", "/users/import", `{"user":"stuck","settings":{}}`, isLines)
	if got := readLines(t, a.body); len(got) != 2 || got[1].Error == nil || got[1].Error.Detail != "the API is stopping" {
		t.Errorf("%+v", got)
	}
	stop()
}

// TestImportDoubt: after an attempt of which nothing is known, a refusal doesn't mean that nothing
// was changed.
func TestImportDoubt(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	var asked atomic.Int32
	s.startFake(messages.WriteSubject, func(messages.Request) *messages.Reply {
		result := messages.Result{Version: 7, Replayed: true}
		switch asked.Add(1) {
		case 1:
			result = messages.Result{Kind: messages.KindOutcomeUnknown}
		case 2:
			result = messages.Result{Kind: messages.KindMalformed}
		}
		return &messages.Reply{Results: []messages.Result{result}}
	})
	a := s.do("POST", "/users/import", `{"user":"42","settings":{}}`, isLines)
	if got := outcomes(t, a.body); got[0] != "1 42: 200 version 7" {
		t.Error(got)
	}
}

// TestImportLimits: only so many at once, none where writes need preconditions, and none that
// outlives the API.
func TestImportLimits(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	base, stop := s.startAPI(apiConfig)
	s.base = base
	const head = "POST /users/import HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
	var open []*bufio.Reader
	for range 4 { // half of all, since they have one address
		conn := s.dialRaw(t)
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(conn)
		if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
		open = append(open, r)
	}
	failed(t, s.do("POST", "/users/import", "", isLines), http.StatusServiceUnavailable, "overloaded")
	stop()
	for _, r := range open {
		if rest, err := io.ReadAll(r); err != nil || !strings.Contains(string(rest), `{"error":{"type":"../problems/unavailable"`) || strings.HasSuffix(string(rest), "0\r\n\r\n") {
			t.Errorf("%s, %v", rest, err)
		}
	}

	config := apiConfig
	config.RequirePrecondition = true
	s.base, _ = s.startAPI(config)
	s.story(t, "preconditions are required", exchange{"POST /users/import", isLines, "{}", 428, "", problem("precondition-required")})
}
