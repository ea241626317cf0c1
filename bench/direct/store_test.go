package main

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

// fasthttp keeps a goroutine for the Date header as long as the process lives.
func TestMain(m *testing.M) {
	pgtest.Main(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// TestDirect: documents come back byte for byte, and patches merge.
func TestDirect(t *testing.T) {
	t.Parallel()
	s, err := openStore(t.Context(), pgtest.ForTest(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.pool.Close()
	const schema = `create table documents (user_id text primary key, document json not null)`
	if _, err := s.pool.Exec(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	app := routes(s)
	for _, step := range []struct {
		method, body string
		status       int
		want         string
	}{
		{"GET", "", 200, "{}"},
		{"PATCH", `{"a":1}`, 200, `{"a":1}`},
		{"PUT", `{ "b": 1.0, "a": 2 }`, 200, `{ "b": 1.0, "a": 2 }`},
		{"GET", "", 200, `{ "b": 1.0, "a": 2 }`},
		{"PATCH", `{"a":3}`, 200, `{ "b": 1.0, "a": 3 }`},
		{"PUT", `{`, 500, ""},
		{"PATCH", `[]`, 500, ""},
		{"GET", "", 200, `{ "b": 1.0, "a": 3 }`},
	} {
		r := httptest.NewRequest(step.method, "/user/ann%40example.org/settings",
			strings.NewReader(step.body))
		answer, err := app.Test(r, -1) // no timeout
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != step.status ||
			step.want != "" && string(body) != step.want {
			t.Errorf("%s %s: %d %s, %v", step.method, step.body, answer.StatusCode, body, err)
		}
	}
}
