package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// request is one that can be sent by itself or in a batch. $ stands for the path of its user.
type request struct {
	method, path string
	header       map[string]string
	body         string // "": none
}

// requests draws what clients send, and what they had better not.
func requests(t *rapid.T) []request {
	paths := []string{
		"$", "$/settings", "$/settings", "$/settings", "$/settings?effective=true", "$/settings/a",
		"$/settings/list/-", "$/settings/a/b%2Fc", "$/settings/%FF",
		"$/history", "$/history?limit=1", "$/history?limit=0", "$/history/1", "$/history/2",
		"$/history/1/restore", "$/history/x/restore", "$/nowhere", "$/Settings",
	}
	bodies := []string{
		"", `{"a":1}`, `{ "a": {"b/c": 1.0}, "list": [1 , 2] }`, `{"a":null}`, `{"a":1,"a":2}`, `[1]`, `null`, `"x"`, `{"n":11111111111111111111111111111111111111111}`, "{\"a\":\n\t\"é\"}",
		`[{"op":"add","path":"/p","value":1}]`, `[{"op":"remove","path":"/p"}]`, `{}`,
	}
	headers := map[string][]string{
		"Content-Type": {
			"application/json", "application/merge-patch+json",
			"application/json-patch+json", "text/plain", "Application/JSON; charset=utf-8",
		},
		"If-Match":         {`"1"`, `"2", "3"`, `*`, `7`, `"2-0"`},
		"If-None-Match":    {`"1"`, `*`, `W/"2"`, `"1-0"`},
		"Idempotency-Key":  {"k1", "k2", `"k1"`, `"`},
		"Prefer":           {"return=minimal", "return=representation"},
		"Content-Encoding": {"gzip"},
		"Sec-Fetch-Site":   {"cross-site", "same-origin"},
		"X-Other":          {"", " y "},
	}
	names := slices.Sorted(maps.Keys(headers))
	var all []request
	for range rapid.IntRange(1, 25).Draw(t, "requests") {
		r := request{
			method: rapid.SampledFrom([]string{
				"GET", "HEAD", "PUT", "PUT", "PUT", "POST", "PATCH",
				"PATCH", "DELETE",
			}).Draw(t, "method"),
			path:   rapid.SampledFrom(paths).Draw(t, "path"),
			body:   rapid.SampledFrom(bodies).Draw(t, "body"),
			header: map[string]string{},
		}
		r.path = strings.Replace(r.path, "$",
			rapid.SampledFrom([]string{"/user/@a", "/user/@b", "/user/%40b", "/user/@c%2F"}).Draw(t,
				"user"), 1)
		for _, name := range names {
			if rapid.IntRange(0, 3).Draw(t, "has "+name) == 0 {
				r.header[name] = rapid.SampledFrom(headers[name]).Draw(t, name)
			}
		}
		all = append(all, r)
	}
	return all
}

// times are what differs between two answers to the same.
var times = regexp.MustCompile(`"time":"[^"]*"`)

// seen is an answer as it is compared.
type seen struct {
	status int
	header map[string]string
	body   string
}

// plain leaves out which users these were, and when it was.
func (a seen) plain(users string) seen {
	for name, value := range a.header {
		switch name {
		case "Last-Modified":
			value = "then"
		case "ETag":
			value = number(value)
		}
		a.header[name] = strings.ReplaceAll(value, users, "@")
	}
	a.body = inBody.ReplaceAllString(times.ReplaceAllString(strings.ReplaceAll(a.body, users, "@"), ""), "")
	return a
}

// TestMultiSame: whatever is asked, an operation of a batch gets the answer that a request of its
// own gets.
func TestMultiSame(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.tags.asSent = true // an operation's can't be known before the others are done
	s.startWorker()
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		all := requests(rt)
		round++
		alone, together := fmt.Sprintf("alone%d", round), fmt.Sprintf("batch%d", round)
		var operations []string
		for i, r := range all {
			operations = append(operations, r.operation(rt, together, i))
		}
		results := s.batch(operations...)
		for i, r := range all {
			want, got := s.alone(r, alone, i).plain(alone),
				seen{results[i].Status, results[i].Headers, string(results[i].Body)}.plain(together)
			if want.status != got.status || want.body != got.body ||
				!maps.Equal(want.header, got.header) {
				rt.Fatalf("operation %d, %+v:\n got %+v\nwant %+v", i, r, got, want)
			}
		}
	})
}

// operation is the request inside a batch.
func (r *request) operation(t *rapid.T, users string, place int) string {
	header := maps.Clone(r.header)
	header["X-Request-ID"] = fmt.Sprint("r", place)
	headers, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	o := fmt.Sprintf(`{"method":%q,"path":%q,"headers":%s`, r.method, r.of(users), headers)
	if r.body != "" {
		o += `,"body": ` + r.body
	}
	return o + "}"
}

func (r *request) of(users string) string {
	return strings.NewReplacer("@", users, "%40",
		strings.Replace(users, "a", "%61", 1)).Replace(r.path)
}

// alone sends the request by itself.
func (s *system) alone(r request, users string, place int) seen {
	s.t.Helper()
	header := []string{fmt.Sprint("X-Request-ID: r", place)}
	for name, value := range r.header {
		header = append(header, name+": "+value)
	}
	if _, given := r.header["Content-Type"]; !given && r.body != "" {
		header = append(header, isJSON)
	}
	a := s.do(r.method, r.of(users), r.body, header...)
	answer := seen{a.status, make(map[string]string), a.body}
	for name, values := range a.header {
		switch name {
		// about the message
		case "Date", "Content-Length", "Cache-Control", "X-Content-Type-Options":
			continue
		case "Etag":
			name = "ETag"
		case "X-Request-Id":
			name = "X-Request-ID"
		}
		answer.header[name] = strings.Join(values, ", ")
	}
	if a.tag != "" {
		answer.header["ETag"] = a.tag
	}
	return answer
}
