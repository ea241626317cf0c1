package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestStreamsHTTP10: a client that doesn't know chunks isn't sent any. The end of the connection is
// that of the body, whose last line tells that it is whole.
func TestStreamsHTTP10(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	const one = `{"user":"42","settings":{}}` + "\n"
	body := fmt.Sprintf("Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s", len(one), one)
	for _, c := range []struct{ request, last string }{
		{"POST /users/import HTTP/1.0\r\n" + body, `{"end":true,"lines":1,"applied":1,"failed":0}` + "\n"},
		{"GET /users/export HTTP/1.0\r\n\r\n", `{"end":true,"users":1}` + "\n"},
		{"GET /users/export HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", `{"end":true,"users":1}` + "\n"},
		{"HEAD /users/export HTTP/1.0\r\n\r\n", ""},
		{"GET /users/export HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n", `{"end":true,"users":1}` + "\n"},
	} {
		conn := s.dialRaw(t)
		if _, err := io.WriteString(conn, c.request); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{
			Method: strings.Fields(c.request)[0],
		})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		a := answer{status: response.StatusCode, header: response.Header, body: string(text)}
		if a.header.Get("Content-Encoding") == "gzip" {
			a.body = unzipped(t, a)
		}
		if err != nil || a.status != http.StatusOK || len(response.TransferEncoding) > 0 ||
			response.ContentLength > 0 || !response.Close || !strings.HasSuffix(a.body, c.last) ||
			(c.last == "") != (a.body == "") || a.header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("%q: %+v %v, %v", c.request, a, response.TransferEncoding, err)
		}
	}
}

// TestStreamsHTTP10Broken: where a stream fails its last line says so, since the end of the
// connection looks as always.
func TestStreamsHTTP10Broken(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startFake(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		part := partOf(r.Operations[0].List, 10_000)
		if r.Operations[0].List.After != "" {
			part = messages.Result{Kind: messages.KindInternal}
		}
		return &messages.Reply{Results: []messages.Result{part}}
	})
	conn := s.dialRaw(t)
	if _, err := io.WriteString(conn, "GET /users/export HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	a, err := readAnswer(bufio.NewReader(conn))
	all := readLines(t, a.body)
	if last := all[len(all)-1]; err != nil || last.Error == nil || last.Error.Kind != "internal" {
		t.Errorf("%d lines, the last is %+v, %v", len(all), last, err)
	}
}

// startLarge is a worker with so many users, each with a document of 60 KiB.
func (s *system) startLarge(users int) {
	document := []byte(`{"a":"` + strings.Repeat("x", 60<<10) + `"}`)
	s.startFake(messages.ReadSubject, func(r messages.Request) *messages.Reply {
		list := *r.Operations[0].List
		list.Limit = 10
		part := partOf(&list, users)
		for i := range part.Users {
			part.Users[i].Document = document
		}
		return &messages.Reply{Results: []messages.Result{part}}
	})
}

// TestExportSlow: a client may take nothing for longer than it may with other answers.
func TestExportSlow(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	const users = 400 // far more than the buffers between the two take
	s.startLarge(users)
	short := timing
	short.Write = time.Nanosecond // no answer can be sent in it
	_, s.base, _ = s.startWith(apiConfig, short, 0)
	get := func(path string) (answer, error) {
		conn := s.dialRaw(t)
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		return readAnswer(bufio.NewReader(conn))
	}
	if a, err := get("/healthz"); err == nil {
		t.Errorf("another answer: %+v", a)
	}
	a, err := get("/users/export")
	if err != nil || !strings.HasSuffix(a.body,
		fmt.Sprintf("{\"end\":true,\"users\":%d}\n", users)) {
		t.Errorf("%d bytes, %v", len(a.body), err)
	}
}

// TestStreamsStop: clients that take nothing don't keep an API from stopping, and that is no error.
func TestStreamsStop(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startLarge(400)
	for name, request := range map[string]string{
		"export": "GET /users/export HTTP/1.1\r\nHost: x\r\n\r\n",
		"import": "POST /users/import HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n" +
			chunked(strings.Repeat(`{"user":""}`+"\n", 300_000), 1<<20), // the outcomes are far more than the buffers take
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, base, stop := s.startWith(apiConfig, timing, 0) // startAPI would be a race for s.api
			conn := (&system{base: base}).dialRaw(t)
			if err := conn.SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = io.WriteString(conn, request)
			}()
			if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			stop()
			if strings.Contains(s.log.String(), "too slow to receive") {
				t.Error("it waited to the end of its patience")
			}
			_ = conn.Close()
			<-sent
		})
	}
}
