package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestImportModes: what the settings of a line do is the client's to say, and each line has its
// outcome.
func TestImportModes(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	for _, id := range []string{"replace", "merge", "create"} {
		s.do(http.MethodPut, "/user/"+id+"/settings", `{"kept": 1.0,"b":2}`, isJSON)
	}
	s.do(http.MethodPut, "/user/gone/settings", `{}`, isJSON)
	s.do(http.MethodDelete, "/user/gone/settings", "")
	for mode, want := range map[string]string{
		"replace": "1 replace: 200 version 2\n2 new-replace: 200 version 1\n" +
			"3 replace: 422 invalid-document\nend: 3 = 2 + 1",
		"merge": "1 merge: 200 version 2\n2 new-merge: 200 version 1\n" +
			"3 merge: 422 invalid-document\nend: 3 = 2 + 1",
		"create": "1 create: 412 precondition-failed\n2 new-create: 200 version 1\n" +
			"3 create: 422 invalid-document\nend: 3 = 1 + 2",
	} {
		input := lines(`{"user":"`+mode+`","settings":{"b":null}}`,
			`{"user":"new-`+mode+`","settings":{"c":3}}`, `{"user":"`+mode+`","settings":[]}`)
		a := s.do("POST", "/users/import?mode="+mode, input, isLines)
		if got := strings.Join(outcomes(t, a.body), "\n"); got != want {
			t.Errorf("%s: %s, want %s", mode, got, want)
		}
		if strings.Contains(a.body, "kept") {
			t.Errorf("%s: a document is in the answer: %s", mode, a.body)
		}
	}
	s.has("replace", 2, `{"b":null}`)
	s.has("merge", 2, `{"kept": 1.0}`)
	s.has("create", 1, `{"kept": 1.0,"b":2}`)
	for _, mode := range []string{"replace", "merge", "create"} {
		s.has("new-"+mode, 1, `{"c":3}`)
	}
	a := s.do("POST", "/users/import?mode=create", `{"user":"gone","settings":{}}`, isLines)
	if got := outcomes(t, a.body); got[0] != "1 gone: 200 version 3" {
		t.Errorf("after a deletion: %q", got)
	}
	for _, mode := range []string{"Replace", "upsert", ","} {
		s.story(t, mode, exchange{
			"POST /users/import?mode=" + mode, isLines, `{}`, 400, "", problem("malformed"),
		})
	}
}

// TestImportCreatePrecondition: where writes need a precondition, an import has one with
// mode=create.
func TestImportCreatePrecondition(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequirePrecondition = true
	s := newSystem(t, config)
	s.startWorker()
	const one = `{"user":"42","settings":{}}`
	for _, mode := range []string{"", "?mode=merge"} {
		s.story(t, mode, exchange{
			"POST /users/import" + mode, isLines, one, 428, "", problem("precondition-required"),
		})
	}
	a := s.do("POST", "/users/import?mode=create", one, isLines)
	if got := outcomes(t, a.body); a.status != http.StatusOK || got[0] != "1 42: 200 version 1" {
		t.Errorf("%d %q", a.status, got)
	}
}

// TestImportMinimal: with return=minimal the answer has only the lines that failed, and the end.
func TestImportMinimal(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	input := lines(`{"user":"1","settings":{}}`, `{"user":"2","settings":[]}`, `{}`,
		`{"user":"3","settings":{}}`)
	a := s.do("POST", "/users/import", input, isLines, "Prefer: return=minimal")
	got := strings.Join(outcomes(t, a.body), "\n")
	if got != "2 2: 422 invalid-document\n3 : 400 malformed\nend: 4 = 2 + 2" ||
		a.header.Get("Preference-Applied") != "return=minimal" {
		t.Errorf("%q: %s", a.header.Get("Preference-Applied"), got)
	}
	a = s.do("POST", "/users/import", `{"user":"1","settings":{}}`, isLines, "Prefer: return=minimal")
	if got := outcomes(t, a.body); len(got) != 1 || got[0] != "end: 1 = 1 + 0" {
		t.Errorf("nothing failed: %q", got)
	}
}

// TestImportSentFirst: with return=minimal a client may send everything before it reads anything,
// however much that is.
func TestImportSentFirst(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	const users, fields = 15_000, 200
	var input strings.Builder
	for i := range users {
		document := fmt.Sprintf(`{"x":%q}`, strings.Repeat("x", fields))
		if i%5000 == 77 {
			document = "7"
		}
		fmt.Fprintf(&input, `{"user":"u%d","settings":%s}`+"\n", i, document)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// No buffer of the system's holds the answer for a client that doesn't read.
	tcp, ok := conn.(*net.TCPConn)
	if !ok || tcp.SetReadBuffer(4096) != nil {
		t.Fatal("the buffer stays as it is")
	}
	if _, err := fmt.Fprintf(conn, "POST /users/import HTTP/1.1\r\nHost: x\r\n%s\r\n"+
		"Prefer: return=minimal\r\nContent-Length: %d\r\n\r\n%s", isLines, input.Len(),
		input.String()); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	got := outcomes(t, string(body))
	want := fmt.Sprintf("end: %d = %d + 3", users, users-3)
	if err != nil || len(got) != 4 || got[3] != want ||
		got[0] != "78 u77: 422 invalid-document" {
		t.Errorf("%q, want %s: %v", got, want, err)
	}
}
