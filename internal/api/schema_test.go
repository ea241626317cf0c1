package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/micro"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestSchemaRoutes: the schema is asked for of nobody's, with all that a write has.
func TestSchemaRoutes(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	current := messages.Result{Kind: messages.KindNotFound}
	s.answering(messages.ReadSubject, func(o messages.Operation) messages.Result {
		if o.Action != messages.ActionReadSchema || o.User != "" {
			t.Errorf("asked for %+v", o)
		}
		return current
	})
	s.answering(messages.WriteSubject, func(o messages.Operation) messages.Result {
		if kind, detail := o.Check(messages.WriteSubject); kind != "" || o.User != "" ||
			o.Issued == 0 || o.Keyed != (len(o.Fingerprint) > 0) {
			t.Errorf("asked for %+v: %s", o, detail)
		}
		switch {
		case o.ID == "used":
			return messages.Result{Kind: messages.KindIDReused}
		case o.If != nil && o.If.Match != nil:
			document := current.Document
			if document == nil {
				document = []byte(`{}`)
			}
			return messages.Result{
				Kind: messages.KindPrecondition, Version: current.Version,
				Document: document, Absent: current.Document == nil,
			}
		case string(o.Document) == `5`:
			return messages.Result{Kind: messages.KindInvalidSchema, Detail: "a number"}
		}
		current = messages.Result{
			Version: current.Version + 1, Document: o.Document, Modified: 1764000000000000,
		}
		return messages.Result{
			Version: current.Version, Modified: current.Modified, Replayed: o.ID == "again",
		}
	})
	const schema = "{ \"type\":\"object\"}\n"
	const isSchema = "Content-Type: application/schema+json"
	s.story(t, "the schema",
		exchange{"GET /schema", "", "", 404, "ETag:", problem("not-found")},
		exchange{
			"PUT /schema", lines(isJSON, `If-Match: "7-1"`, "X-Request-ID: r"), schema, 412, `ETag: "0"`,
			`{"type":"problems/precondition-failed","kind":"precondition-failed","title":"The settings are not what the request expects","status":412,"detail":"there is no schema yet","requestId":"r","version":0}`,
		},
		exchange{"PUT /schema", isSchema, schema, 200, lines(`ETag: "1"`, "Content-Type: application/json", "Last-Modified: Mon, 24 Nov 2025 16:00:00 GMT"), schema},
		exchange{"GET /schema", "", "", 200, lines(`ETag: "1"`, "Content-Type: application/json", "Last-Modified: Mon, 24 Nov 2025 16:00:00 GMT"), schema},
		exchange{"HEAD /schema", "", "", 200, `ETag: "1"`, nothing},
		exchange{"GET /schema", `If-None-Match: "1"`, "", 304, `ETag: "1"`, nothing},
		exchange{"GET /schema", `If-None-Match: "1-1"`, "", 200, "", schema},
		exchange{"GET /schema", `If-Match: "7-1"`, "", 412, `ETag: "1"`, problem("precondition-failed")},
		exchange{"PUT /schema", lines(isJSON, wantLess), `{"x":1}`, 204, lines(`ETag: "2"`, "Preference-Applied: return=minimal"), nothing},
		exchange{
			"PUT /schema", lines(isJSON, `If-Match: "7-1"`, "X-Request-ID: r"), `{}`, 412, `ETag: "2"`,
			`{"type":"problems/precondition-failed","kind":"precondition-failed","title":"The settings are not what the request expects","status":412,"detail":"the current version is 2","requestId":"r","version":2,"schema":{"x":1}}`,
		},
		exchange{"PUT /schema", lines(isJSON, "Idempotency-Key: again"), `{"x":1}`, 200, `Idempotency-Replayed: true`, `{"x":1}`},
		exchange{"PUT /schema", lines(isJSON, "Idempotency-Key: used"), `{"x":1}`, 422, "", problem("idempotency-key-reused")},
		exchange{"PUT /schema", isJSON, `5`, 422, "ETag:", problem("invalid-schema")},
		exchange{"PUT /schema", "Content-Type: text/plain", `{}`, 415, "Accept-Patch:", problem("unsupported-media-type")},
		exchange{"PUT /schema", isMerge, `{}`, 415, "", problem("unsupported-media-type")},
		exchange{"PUT /schema", isJSON, `{"x":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "", problem("too-large")},
		exchange{"PUT /schema?dry_run=yes", isJSON, `{}`, 400, "", problem("malformed")},
		exchange{"PUT /schema?dry_run=false", isJSON, `{}`, 200, `ETag: "4"`, ""},
		exchange{"PUT /schema", lines(isJSON, "If-Match: 7"), `{}`, 400, "", problem("malformed")},
		exchange{"DELETE /schema", `If-Match: "7-1"`, "", 412, `ETag: "4"`, problem("precondition-failed")},
		exchange{"DELETE /schema", "", "", 204, `ETag: "5"`, nothing},
		exchange{"POST /schema", isJSON, `{}`, 405, "Allow: GET, HEAD, PUT, DELETE, OPTIONS", problem("method-not-allowed")})
}

// TestSchemaTrial: all documents are looked at, part by part, and some of those that would break it
// are shown.
func TestSchemaTrial(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	refuse := ""
	s.answering(messages.ReadSubject, func(o messages.Operation) messages.Result {
		switch {
		case o.Action != messages.ActionTrySchema || o.List.Limit != messages.MaxUsers ||
			o.Deadline == 0 || o.RequestID == "":
			t.Errorf("asked for %+v", o)
		case string(o.Document) == `5`:
			return messages.Result{Kind: messages.KindInvalidSchema, Detail: "a number"}
		case o.List.After == refuse:
			return messages.Result{Kind: messages.KindUnavailable}
		}
		r := messages.Result{Checked: 500, Broken: 7}
		for i := range 6 {
			u := messages.User{
				ID: fmt.Sprint("u", i), Version: 2,
				Violations: []messages.Violation{{Pointer: "/a", Reason: "<bad>"}},
			}
			r.Users = append(r.Users, u)
		}
		switch o.List.After {
		case "":
			r.Next = "b"
		case "b":
			return messages.Result{Checked: 400, Next: "c"}
		}
		return r
	})
	example := func(user string) string {
		return `{"user":"` + user + `","version":2,"violations":[{"pointer":"/a","reason":"<bad>"}]}`
	}
	refuse = "nobody"
	var examples []string
	for i := range 10 {
		examples = append(examples, example(fmt.Sprint("u", i%6)))
	}
	s.story(t, "trial",
		exchange{"PUT /schema?dry_run=true", isJSON, `{}`, 200, lines("ETag:", "Content-Type: application/json"), `{"checked":1400,"broken":14,"examples":[` + strings.Join(examples, ",") + `]}`},
		exchange{"PUT /schema?dry_run=true", isJSON, `5`, 422, "", problem("invalid-schema")},
		exchange{"PUT /schema?dry_run=true", isMerge, `{}`, 415, "", problem("unsupported-media-type")})
	refuse = "c"
	failed(t, s.do(http.MethodPut, "/schema?dry_run=true", `{}`, isJSON), http.StatusServiceUnavailable, "unavailable")
}

// TestSchemaTrialEnds: no listing that doesn't get on, and no API that is to stop, keeps a trial
// going for ever.
func TestSchemaTrialEnds(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	base, stop := s.startAPI(apiConfig)
	var stuck atomic.Bool
	stuck.Store(true)
	began := make(chan bool, 1)
	parts := 0
	s.answering(messages.ReadSubject, func(o messages.Operation) messages.Result {
		if stuck.Load() {
			return messages.Result{Checked: 1, Next: "a"}
		}
		select {
		case began <- true:
		default:
		}
		parts++
		return messages.Result{Checked: 1, Next: fmt.Sprintf("%020d", parts)}
	})
	s.base = base
	if a := s.do(http.MethodPut, "/schema?dry_run=true", `{}`, isJSON); a.status != http.StatusInternalServerError {
		t.Errorf("a listing that doesn't get on: %+v", a)
	}
	stuck.Store(false)
	ended := make(chan answer)
	go func() { ended <- s.do(http.MethodPut, "/schema?dry_run=true", `{}`, isJSON) }()
	<-began
	stop()
	failed(t, <-ended, http.StatusServiceUnavailable, "unavailable")
}

// TestSchemaWaitsForOlderWorkers: while one runs that would write what breaks it, no schema is set.
func TestSchemaWaitsForOlderWorkers(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.answering(messages.WriteSubject, func(messages.Operation) messages.Result {
		return messages.Result{Version: 1}
	})
	service := func(last messages.Action) micro.Service {
		srv, err := micro.AddService(s.dial(), micro.Config{
			Name: messages.ServiceName, Version: "0.0.0", Metadata: map[string]string{
				messages.ActionsKey: fmt.Sprint(uint8(last)),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = srv.Stop() })
		return srv
	}
	service(messages.LastAction)
	old := service(messages.ActionPutSchema - 1)
	put := func() answer { return s.do(http.MethodPut, "/schema", `{}`, isJSON) }
	eventually(t, "the older worker is counted", func() bool {
		return put().status == http.StatusServiceUnavailable
	})
	a := put()
	if failed(t, a, http.StatusServiceUnavailable, "unavailable"); !strings.Contains(a.body,
		"upgrade them first") {
		t.Errorf("%+v", a)
	}
	if a := s.do(http.MethodDelete, "/schema", ""); a.status != http.StatusNoContent {
		t.Errorf("DELETE: %+v", a)
	}
	if err := old.Stop(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is forgotten", func() bool { return put().status == http.StatusOK })
}

// TestViolations: what would break the schema, and where.
func TestViolations(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	more := false
	s.answering(messages.WriteSubject, func(messages.Operation) messages.Result {
		return messages.Result{
			Kind: messages.KindViolation, Detail: "it breaks the schema", MoreViolations: more,
			Violations: []messages.Violation{{Pointer: "/a~1b/0", Reason: `not "x"`}, {Reason: "too many"}},
		}
	})
	const begin = `problems/schema-violation","kind":"schema-violation","title":"The settings would break the schema","status":422,"detail":"it breaks the schema","requestId":"r",` +
		`"violations":[{"pointer":"/a~1b/0","reason":"not \"x\""},{"pointer":"","reason":"too many"}]`
	for _, write := range []exchange{
		{request: put, header: isJSON, body: `{}`},
		{request: post, header: isJSON, body: `{}`},
		{request: patch, header: isMerge, body: `{}`},
		{request: patch, header: isPatch, body: `[]`},
		{request: "PUT $/settings/a", header: isJSON, body: `1`},
		{request: "DELETE $/settings/a"},
		{request: "POST $/history/1/restore"},
	} {
		write.status, write.answer, write.content = 422,
			lines("ETag:", "Content-Type: application/problem+json"),
			`{"type":"`+strings.Repeat("../", strings.Count(write.request, "/")+1)+begin+"}"
		write.header = strings.TrimPrefix(write.header+"\nX-Request-ID: r", "\n")
		s.story(t, write.request, write)
	}
	more = true
	s.story(t, "more", exchange{put, lines(isJSON, "X-Request-ID: r"), `{}`, 422, "", `{"type":"../../` + begin + `,"violationsOmitted":true}`})
}

// TestEffectiveSettings: the entity tag is of both versions, and no other tag is taken for it.
func TestEffectiveSettings(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.answering(messages.ReadSubject, func(o messages.Operation) messages.Result {
		r := messages.Result{Version: 3, Document: []byte(`{"a":1}`), Modified: 1764000000000000}
		if o.Action == messages.ActionReadEffective {
			r.Schema, r.SchemaModified = 2, 1764000000000000
			r.Document = []byte(`{"a":1,"b":2}`)
		}
		return r
	})
	s.answering(messages.WriteSubject, func(o messages.Operation) messages.Result {
		if o.If == nil || o.If.Match == nil || len(o.If.Match.Listed) > 0 {
			t.Errorf("asked for %+v", o)
		}
		return messages.Result{Kind: messages.KindPrecondition, Version: 3, Document: []byte(`{"a":1}`)}
	})
	const effective, document, plain = "GET $/settings?effective=true", `{"a":1,"b":2}`, `{"a":1}`
	s.story(t, "effective",
		exchange{effective, "", "", 200, lines(`ETag: "3-2"`, "Last-Modified: Mon, 24 Nov 2025 16:00:00 GMT", "Content-Type: application/json"), document},
		exchange{"HEAD $/settings?effective=true", "", "", 200, `ETag: "3-2"`, nothing},
		exchange{effective, `If-None-Match: "3-2"`, "", 304, `ETag: "3-2"`, nothing},
		exchange{effective, `If-None-Match: "x", W/"3-2"`, "", 304, "", nothing},
		exchange{effective, `If-None-Match: *`, "", 304, "", nothing},
		exchange{effective, `If-None-Match: "3", "2", "3-1", "03-2", "3-2-"`, "", 200, "", document},
		exchange{effective, `If-Match: "3-2"`, "", 200, "", document},
		exchange{effective, `If-Match: "3"`, "", 412, `ETag: "3-2"`, problem("precondition-failed")},
		exchange{effective, `If-Match: W/"3-2"`, "", 412, "", problem("precondition-failed")},
		exchange{
			effective, "If-Modified-Since: Mon, 24 Nov 2025 16:00:00 GMT", "", 304, "", nothing,
		},
		exchange{
			effective, "If-Modified-Since: Mon, 24 Nov 2025 15:59:59 GMT", "", 200, "", document,
		},
		exchange{"GET $/settings?effective=false", "", "", 200, `ETag: "3"`, plain},
		exchange{get, `If-None-Match: "3-2"`, "", 200, `ETag: "3"`, plain},
		exchange{get, `If-None-Match: "3"`, "", 304, `ETag: "3"`, nothing},
		exchange{"GET $/settings?effective=maybe", "", "", 400, "", problem("malformed")},
		exchange{"GET $/settings?effective=TRUE", "", "", 400, "", problem("malformed")},
		exchange{put, lines(isJSON, `If-Match: "3-2"`), `{}`, 412, `ETag: "3"`, problem("precondition-failed")})
}
