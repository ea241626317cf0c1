package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestStreamsHTTP10: a client that doesn't know chunks isn't sent any.
func TestStreamsHTTP10(t *testing.T) {
	t.Parallel()
	s := newSystem(t, patient)
	s.startSource()
	const one = `{"user":"42","settings":{}}` + "\n"
	for _, request := range []string{
		"GET /users/export HTTP/1.0\r\n\r\n",
		"GET /users/export HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"HEAD /users/export HTTP/1.0\r\n\r\n",
		fmt.Sprintf("POST /users/import HTTP/1.0\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s", len(one), one),
	} {
		conn := s.dialRaw(t)
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		head := strings.HasPrefix(request, http.MethodHead)
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.Fields(request)[0]})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusHTTPVersionNotSupported || len(response.TransferEncoding) > 0 ||
			!head && !strings.Contains(string(body), `"/problems/http-version"`) {
			t.Errorf("%q: %d %v %s, %v", request, response.StatusCode, response.TransferEncoding, body, err)
		}
	}
}
