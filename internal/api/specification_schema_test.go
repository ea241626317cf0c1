package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	themes     = `{"properties":{"theme":{"enum":["dark","light"],"default":"light"},"size":{"type":"integer","minimum":8,"maximum":72}}}`
	getSchema  = "GET /schema"
	putSchema  = "PUT /schema"
	trySchema  = "PUT /schema?dry_run=true"
	dropSchema = "DELETE /schema"
	effective  = "GET $/settings?effective=true"
)

// TestSchemaSpecification is what the API does with the schema, against the running system. There
// is one for all users, so the stories build upon each other.
func TestSchemaSpecification(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	s.startWorker()
	s.schemaItself(t)
	s.schemaHolds(t)
	s.schemaDefaults(t)
	s.schemaTried(t)
}

func (s *system) schemaItself(t *testing.T) {
	s.story(t, "there is none",
		exchange{getSchema, "", "", 404, "ETag:", problem("not-found")},
		exchange{effective, "", "", 200, lines(`ETag: "0-0"`, "Last-Modified:"), `{}`},
		exchange{put, isJSON, `{"theme":"none"}`, 200, `ETag: "1"`, ""},
		exchange{effective, "", "", 200, `ETag: "1-0"`, `{"theme":"none"}`})
	s.story(t, "what is no schema is refused",
		exchange{putSchema, isJSON, `{"type":"size"}`, 422, "ETag:", problem("invalid-schema")},
		exchange{putSchema, isJSON, `[]`, 422, "", problem("invalid-schema")},
		exchange{putSchema, isJSON, `true`, 422, "", problem("invalid-schema")},
		exchange{putSchema, isJSON, `{"$ref":"https://example.org/schema"}`, 422, "", problem("invalid-schema")},
		exchange{putSchema, isJSON, `{"$schema":"http://json-schema.org/draft-04/schema#"}`, 422, "", problem("invalid-schema")},
		exchange{putSchema, isJSON, `{"pattern":"a("}`, 422, "", problem("invalid-schema")},
		exchange{putSchema, isJSON, `{"type":`, 400, "", problem("malformed")},
		exchange{putSchema, isJSON, `{"type":"object","type":"object"}`, 400, "", problem("malformed")},
		exchange{putSchema, isJSON, ``, 400, "", problem("malformed")},
		exchange{trySchema, isJSON, `{"type":"size"}`, 422, "", problem("invalid-schema")},
		exchange{trySchema, isJSON, `{"type":`, 400, "", problem("malformed")},
		exchange{getSchema, "", "", 404, "", problem("not-found")})
	s.story(t, "it has versions, conditions and keys, as documents do",
		exchange{putSchema, lines(isJSON, "If-Match: *"), `{}`, 412, `ETag: "0"`, problem("precondition-failed")},
		exchange{putSchema, lines(isJSON, "If-None-Match: *", "Idempotency-Key: k"), " { \"a\" : 1.0 }\n", 200, lines(`ETag: "1"`, "Idempotency-Replayed:"), " { \"a\" : 1.0 }\n"},
		exchange{getSchema, "", "", 200, lines(`ETag: "1"`, "Content-Type: application/json"), " { \"a\" : 1.0 }\n"},
		exchange{putSchema, lines(isJSON, "If-None-Match: *", "Idempotency-Key: k"), " { \"a\" : 1.0 }\n", 200, lines(`ETag: "1"`, "Idempotency-Replayed: true"), ""},
		exchange{putSchema, lines(isJSON, "Idempotency-Key: k"), `{}`, 422, "", problem("idempotency-key-reused")},
		exchange{putSchema, lines("Content-Type: application/schema+json", `If-Match: "1"`, wantLess), themes, 204, `ETag: "2"`, nothing},
		exchange{getSchema, `If-None-Match: "2"`, "", 304, `ETag: "2"`, nothing},
		exchange{
			putSchema, lines(isJSON, `If-Match: "1"`, "X-Request-ID: r"), `{}`, 412, `ETag: "2"`,
			`{"type":"problems/precondition-failed","kind":"precondition-failed","title":"The settings are not what the request expects","status":412,"detail":"the current version is 2","requestId":"r","version":2,"schema":` + themes + `}`,
		},
		exchange{"DELETE /schema", `If-Match: "1"`, "", 412, "", problem("precondition-failed")},
		exchange{getSchema, "", "", 200, `ETag: "2"`, themes})
}

func (s *system) schemaHolds(t *testing.T) {
	const begin = `{"type":"../../problems/schema-violation","kind":"schema-violation","title":"The settings would break the schema","status":422,"detail":"the document breaks the schema: `
	s.story(t, "no write makes a document that breaks it",
		exchange{put, lines(isJSON, "X-Request-ID: r"), `{"theme":"pink","size":1}`, 422, "ETag:", begin +
			`\"/theme\" must be one of \"dark\", \"light\"","requestId":"r","violations":[` +
			`{"pointer":"/theme","reason":"must be one of \"dark\", \"light\""},{"pointer":"/size","reason":"must be at least 8"}]}`},
		exchange{put, lines(isJSON, "Idempotency-Key: k"), `{"theme":"pink"}`, 422, "", problem("schema-violation")},
		exchange{put, lines(isJSON, "If-None-Match: *"), `{"theme":"pink"}`, 422, "", problem("schema-violation")},
		exchange{put, lines(isJSON, `If-Match: "7-1"`), `{"theme":"pink"}`, 412, "", problem("precondition-failed")},
		exchange{post, isJSON, `{"theme":"pink"}`, 422, "", problem("schema-violation")},
		exchange{patch, isMerge, `{"theme":"pink"}`, 422, "", problem("schema-violation")},
		exchange{patch, isPatch, `[{"op":"add","path":"/theme","value":"pink"}]`, 422, "", problem("schema-violation")},
		exchange{"PUT $/settings/theme", isJSON, `"pink"`, 422, "", problem("schema-violation")},
		exchange{get, "", "", 200, `ETag: "0"`, `{}`},
		exchange{put, lines(isJSON, "Idempotency-Key: k"), `{"theme":"dark"}`, 200, lines(`ETag: "1"`, "Idempotency-Replayed:"), ""},
		exchange{"PUT $/settings/theme", isJSON, `"pink"`, 422, "", problem("schema-violation")},
		exchange{"PUT $/settings/theme", isJSON, `"light"`, 200, `ETag: "2"`, ""},
		exchange{"DELETE $/settings/theme", "", "", 204, `ETag: "3"`, nothing},
		exchange{remove, "", "", 204, `ETag: "4"`, nothing},
		exchange{"DELETE $", "", "", 204, `ETag: "5"`, nothing})
	s.story(t, "nor is one restored that does, and what is there stays",
		exchange{dropSchema, "", "", 204, `ETag: "3"`, nothing},
		exchange{put, isJSON, `{"theme":"pink"}`, 200, `ETag: "1"`, ""},
		exchange{put, isJSON, `{"theme":"pink","size":9}`, 200, `ETag: "2"`, ""},
		exchange{putSchema, isJSON, themes, 200, `ETag: "4"`, themes},
		exchange{get, "", "", 200, `ETag: "2"`, `{"theme":"pink","size":9}`},
		exchange{"POST $/history/1/restore", "", "", 422, "", problem("schema-violation")},
		exchange{"DELETE $/settings/size", "", "", 422, "", problem("schema-violation")},
		exchange{patch, isMerge, `{"size":10}`, 422, "", problem("schema-violation")},
		exchange{patch, isMerge, `{"theme":null}`, 200, `ETag: "3"`, `{"size":9}`},
		exchange{remove, "", "", 204, `ETag: "4"`, nothing})
	var wrong []string
	for i := range 40 {
		wrong = append(wrong, fmt.Sprintf(`"k%02d":1`, i))
	}
	a := s.do(http.MethodPut, "/schema", `{"additionalProperties":false}`, isJSON)
	a2 := s.do(http.MethodPut, "/user/many/settings", "{"+strings.Join(wrong, ",")+"}", isJSON)
	if a.status != http.StatusOK || a2.status != 422 || strings.Count(a2.body, `"pointer":`) != 32 || !strings.HasSuffix(a2.body, `,"violationsOmitted":true}`) {
		t.Errorf("many violations: %+v\n%+v", a, a2)
	}
}

func (s *system) schemaDefaults(t *testing.T) {
	const nested = `{"properties":{"theme":{"default":"light"},"editor":{"properties":{"size":{"default":12},"font":{"default":"Mono"}}}}}`
	s.story(t, "effective settings have the defaults after the user's own",
		exchange{putSchema, isJSON, nested, 200, `ETag: "6"`, ""},
		exchange{effective, "", "", 200, `ETag: "0-6"`, `{"theme":"light","editor":{"size":12,"font":"Mono"}}`},
		exchange{effective, `If-None-Match: "0-6"`, "", 304, `ETag: "0-6"`, nothing},
		exchange{put, isJSON, `{"z": 1.0, "editor": {"font": "Serif"}}`, 200, `ETag: "1"`, ""},
		exchange{effective, `If-None-Match: "0-6"`, "", 200, `ETag: "1-6"`, ""},
		exchange{effective, `If-None-Match: "1-6"`, "", 304, `ETag: "1-6"`, nothing},
		exchange{effective, `If-Match: "1"`, "", 412, `ETag: "1-6"`, problem("precondition-failed")},
		exchange{get, "", "", 200, `ETag: "1"`, `{"z": 1.0, "editor": {"font": "Serif"}}`},
		exchange{put, lines(isJSON, `If-Match: "1-6"`), `{}`, 412, `ETag: "1"`, problem("precondition-failed")},
		exchange{putSchema, isJSON, themes, 200, `ETag: "7"`, ""},
		exchange{effective, `If-None-Match: "1-6"`, "", 200, `ETag: "1-7"`, ""},
		exchange{
			effective, "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", "", 304, "", nothing,
		},
		exchange{"GET $/settings?effective=", "", "", 400, "ETag:", problem("malformed")})
	a := s.do(http.MethodGet, "/user/uTestSchemaSpecification-effective_settings_have_the_defaults_after_the_user%27s_own/settings?effective=true", "")
	if !strings.HasPrefix(a.body, `{"z": 1.0, "editor": {"font": "Serif"}`) || !strings.Contains(a.body, `"theme"`) {
		t.Errorf("effective: %s", a.body)
	}
}

func (s *system) schemaTried(t *testing.T) {
	s.story(t, "a trial sets nothing",
		exchange{dropSchema, "", "", 204, `ETag: "8"`, nothing},
		exchange{dropSchema, "", "", 204, `ETag: "9"`, nothing},
		exchange{getSchema, "", "", 404, "ETag:", problem("not-found")},
		exchange{"DELETE /user/uTestSchemaSpecification-there_is_none", "", "", 204, "", nothing},
		exchange{"DELETE /user/uTestSchemaSpecification-effective_settings_have_the_defaults_after_the_user%27s_own", "", "", 204, "", nothing},
		exchange{trySchema, isJSON, themes, 200, "ETag:", `{"checked":0,"broken":0,"examples":[]}`},
		exchange{put, isJSON, `{"theme":"pink"}`, 200, `ETag: "1"`, ""},
		exchange{"PUT /user/zoe/settings", isJSON, `{"theme":"dark"}`, 200, `ETag: "1"`, ""},
		exchange{
			trySchema, lines(isJSON, `If-Match: "77"`), themes, 200, lines("ETag:", "Content-Type: application/json"),
			`{"checked":2,"broken":1,"examples":[{"user":"uTestSchemaSpecification-a_trial_sets_nothing","version":1,"violations":[{"pointer":"/theme","reason":"must be one of \"dark\", \"light\""}]}]}`,
		},
		exchange{getSchema, "", "", 404, "", problem("not-found")})
	for i := range 12 {
		s.post(fmt.Sprint("broken", i), `{"size":"large"}`)
	}
	if a := s.do(http.MethodPut, "/schema?dry_run=true", themes, isJSON); !strings.HasPrefix(a.body, `{"checked":14,"broken":13,`) || strings.Count(a.body, `"user":`) != 10 {
		t.Errorf("many: %s", a.body)
	}
}
