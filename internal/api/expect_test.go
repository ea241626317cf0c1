package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestExpectations: who waits for 100 gets the final answer without having sent the body, where the
// head decides it, and 100 first where it doesn't.
func TestExpectations(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	s.startWorker()
	ann, reader := s.user("ann"), s.service("settings:read")
	const wait = "Expect: 100-continue"
	host := "Host: " + strings.TrimPrefix(s.base, "http://")
	const (
		put = "PUT /user/ann/settings HTTP/1.1"
		ten = "Content-Length: 10"
	)
	for name, c := range map[string]struct {
		first  string
		header []string
		status int // 100: the body is asked for, and then it is 200
	}{
		"all is well":      {put, []string{isJSON, ten, ann}, 100},
		"in chunks":        {put, []string{isJSON, "Transfer-Encoding: chunked", ann}, 100},
		"path":             {"PUT /nowhere HTTP/1.1", []string{isJSON, ten, ann}, 404},
		"method":           {"POST /user/ann/history HTTP/1.1", []string{isJSON, ten, ann}, 405},
		"length":           {put, []string{isJSON, "Content-Length: 70000", ann}, 413},
		"type":             {put, []string{"Content-Type: text/plain", ten, ann}, 415},
		"no type":          {put, []string{ten, ann}, 415},
		"no token":         {put, []string{isJSON, ten}, 401},
		"another's":        {"PUT /user/bob/settings HTTP/1.1", []string{isJSON, ten, ann}, 404},
		"scope":            {put, []string{isJSON, ten, reader}, 403},
		"parameter":        {"PUT /user/ann/settings?a=b HTTP/1.1", []string{isJSON, ten, ann}, 400},
		"batch":            {"POST /batch HTTP/1.1", []string{"Content-Type: text/plain", ten, ann}, 415},
		"import":           {"POST /users/import HTTP/1.1", []string{isJSON, ten, s.service("settings:write")}, 415},
		"import of a user": {"POST /users/import HTTP/1.1", []string{isLines, ten, ann}, 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.dialRaw(t)
			_, _ = io.WriteString(conn, rawHead(c.first, append(c.header, host, wait)...))
			answers := bufio.NewReader(conn)
			if c.status == http.StatusContinue {
				if line, err := answers.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
					t.Fatalf("%q, %v", line, err)
				}
				_, _ = answers.ReadString('\n')
				body := `{"a":"12"}`
				if !slices.Contains(c.header, ten) {
					body = chunked(body, 4)
				}
				_, _ = io.WriteString(conn, body)
				a, err := readAnswer(answers)
				if err != nil || a.status != http.StatusOK || a.body != `{"a":"12"}` ||
					a.header.Get("Connection") != "" {
					t.Errorf("%+v, %v", a, err)
				}
				return
			}
			a, err := readAnswer(answers)
			if err != nil || a.status != c.status || a.header.Get("Connection") != "close" ||
				a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%+v, %v; want %d", a, err, c.status)
			}
		})
	}
}

// TestOptionsOfTheService: OPTIONS * lists all methods.
func TestOptionsOfTheService(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	conn := s.dialRaw(t)
	_, _ = io.WriteString(conn, rawHead("OPTIONS * HTTP/1.1",
		"Host: "+strings.TrimPrefix(s.base, "http://")))
	a, err := readAnswer(bufio.NewReader(conn))
	if err != nil || a.status != http.StatusNoContent ||
		a.header.Get("Allow") != "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestPagesHeedIfMatch as documents do.
func TestPagesHeedIfMatch(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	for _, path := range []string{
		"/", "/docs", "/docs/style.css", "/openapi.json", "/problems", "/problems/malformed",
	} {
		tag := s.do(http.MethodGet, path, "").header.Get("ETag")
		for header, want := range map[string]int{
			"If-Match: " + tag: 200, "If-Match: *": 200, `If-Match: "x", ` + tag: 200,
			`If-Match: "x"`: 412, "If-Match: W/" + tag: 412, "If-Match: x": 400,
			"If-None-Match: W/" + tag: 304, "If-None-Match: *": 304, `If-None-Match: "x"`: 200,
		} {
			a := s.do(http.MethodGet, path, "", header)
			if a.status != want || want != 400 && a.header.Get("ETag") != tag {
				t.Errorf("%s %s: %d %v, want %d", path, header, a.status, a.header, want)
			}
		}
	}
}

// TestLastModifiedIsNotAfterDate, whatever part of a second it is.
func TestLastModifiedIsNotAfterDate(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	began := time.Now()
	for i := 0; i < 10 || time.Since(began) < 1200*time.Millisecond; i++ { // past a second's end
		a := s.do(http.MethodPut, fmt.Sprintf("/user/%d/settings", i), `{}`, isJSON)
		modified, err := http.ParseTime(a.header.Get("Last-Modified"))
		date, err2 := http.ParseTime(a.header.Get("Date"))
		if err != nil || err2 != nil || modified.After(date) || len(a.header["Date"]) != 1 {
			t.Fatalf("%v, %v, %v", a.header, err, err2)
		}
		if ago := time.Since(date); ago < 0 || date.Before(began.Truncate(time.Second)) {
			t.Fatalf("Date is %v at %v", date, time.Now())
		}
	}
}

// TestDatesThatProtect: where writes need a precondition, a date counts if its second is over.
func TestDatesThatProtect(t *testing.T) {
	t.Parallel()
	config := apiConfig
	config.RequirePrecondition = true
	s := newSystem(t, config)
	s.startWorker()
	for date, want := range map[time.Time]int{
		time.Now().Add(time.Hour): 428, time.Now().Add(-time.Hour): 200,
	} {
		path := fmt.Sprintf("/user/%d/settings", want)
		a := s.do(http.MethodPut, path, `{}`, isJSON,
			"If-Unmodified-Since: "+date.UTC().Format(http.TimeFormat))
		if a.status != want {
			t.Errorf("%v: %+v, want %d", date, a, want)
		}
		if want == 428 && !strings.Contains(a.body, "a date counts once its second is over") {
			t.Errorf("why the date doesn't count: %s", a.body)
		}
	}
}
