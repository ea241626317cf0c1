package messages_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// The first generation, as it was released: other programs of it may run beside today's.
type (
	firstRequest struct {
		Operations []firstOperation `cbor:"1,keyasint"`
	}
	firstOperation struct {
		Action      uint8  `cbor:"1,keyasint"`
		User        string `cbor:"2,keyasint"`
		RequestID   string `cbor:"3,keyasint,omitempty"`
		Deadline    int64  `cbor:"4,keyasint,omitempty"`
		ID          string `cbor:"5,keyasint,omitempty"`
		Fingerprint []byte `cbor:"6,keyasint,omitempty"`
		Document    []byte `cbor:"7,keyasint,omitempty"`
	}
	firstReply struct {
		Worker  string        `cbor:"1,keyasint,omitempty"`
		Results []firstResult `cbor:"2,keyasint,omitempty"`
		Kind    string        `cbor:"3,keyasint,omitempty"`
		Detail  string        `cbor:"4,keyasint,omitempty"`
	}
	firstResult struct {
		Kind     string `cbor:"1,keyasint,omitempty"`
		Detail   string `cbor:"2,keyasint,omitempty"`
		Version  int64  `cbor:"3,keyasint,omitempty"`
		Document []byte `cbor:"4,keyasint,omitempty"`
		Replayed bool   `cbor:"5,keyasint,omitempty"`
	}
)

// decodeFirst reads as the first generation did, with its limits.
func decodeFirst(t *testing.T, data []byte, v any) {
	t.Helper()
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
		MaxArrayElements: 1024,
		MaxMapPairs:      64,
		MaxNestedLevels:  8,
	}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	if err := mode.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// TestFirstGenerationReadsRequests: it finds its fields, and an action that it will refuse.
func TestFirstGenerationReadsRequests(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]messages.Request{
		"golden": goldenRequest, "golden actions": goldenActions,
		"largest": {Operations: []messages.Operation{largest()}},
	} {
		data, err := messages.EncodeRequest(request)
		if err != nil {
			t.Fatal(err)
		}
		var got, want firstRequest
		decodeFirst(t, data, &got)
		for _, o := range request.Operations {
			want.Operations = append(want.Operations, firstOperation{
				uint8(o.Action), o.User, o.RequestID, o.Deadline, o.ID, o.Fingerprint, o.Document,
			})
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %.300v\nwant %.300v", name, got, want)
		}
	}
}

func TestFirstGenerationReadsReplies(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]messages.Reply{
		"golden": goldenReply, "golden refusal": goldenRefusal, "golden results": goldenResults,
	} {
		data, err := messages.EncodeReply(reply)
		if err != nil {
			t.Fatal(err)
		}
		var got firstReply
		decodeFirst(t, data, &got)
		want := firstReply{Worker: reply.Worker, Kind: string(reply.Kind), Detail: reply.Detail}
		for _, r := range reply.Results {
			want.Results = append(want.Results, firstResult{
				string(r.Kind), r.Detail, r.Version, r.Document, r.Replayed,
			})
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
}

// TestUnknown: who asks learns from both generations that the worker is too old.
func TestUnknown(t *testing.T) {
	t.Parallel()
	const a = messages.ActionDeleteValue
	for name, c := range map[string]struct {
		result messages.Result
		want   bool
	}{
		"today's": {messages.Result{
			Kind:   messages.KindUnknownAction,
			Detail: "in any words",
		}, true},
		"the first's": {messages.Result{
			Kind:   messages.KindMalformed,
			Detail: "action 7 is unknown to this worker",
		}, true},
		"of another action": {messages.Result{
			Kind:   messages.KindMalformed,
			Detail: "action 8 is unknown to this worker",
		}, false},
		"malformed otherwise": {messages.Result{
			Kind:   messages.KindMalformed,
			Detail: "the user id is empty",
		}, false},
		"the words alone": {
			messages.Result{Detail: "action 7 is unknown to this worker"},
			false,
		},
		"done":                   {messages.Result{}, false},
		"no value at that path":  {messages.Result{Kind: messages.KindNotFound}, false},
		"the worker is too busy": {messages.Result{Kind: messages.KindOverloaded}, false},
	} {
		if got := c.result.Unknown(a); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for _, o := range []messages.Operation{{}, {Action: messages.LastAction + 1}, {Action: 255}} {
		for _, subject := range []string{messages.ReadSubject, messages.WriteSubject} {
			kind, detail := o.Check(subject)
			r := messages.Result{Kind: kind, Detail: detail}
			if kind != messages.KindUnknownAction || !r.Unknown(o.Action) {
				t.Errorf("action %d on %s: %+v is not taken for an unknown action", o.Action,
					subject, r)
			}
		}
	}
}

// largest has as much of everything as the limits allow.
func largest() messages.Operation {
	versions := func() *messages.Versions {
		v := &messages.Versions{Any: true}
		for i := range int64(messages.MaxVersions) {
			v.Listed = append(v.Listed, 1<<62+i)
		}
		return v
	}
	token := strings.Repeat("t", messages.MaxPath/messages.MaxTokens)
	return messages.Operation{
		Action: messages.ActionSetValue, User: strings.Repeat("u", messages.MaxUser),
		RequestID: strings.Repeat("r", messages.MaxRequestID), Deadline: 1 << 62,
		ID: strings.Repeat("i", messages.MaxID), Fingerprint: make([]byte, messages.MaxPrint),
		Document: make([]byte, messages.MaxDocument),
		Path:     slices.Repeat([]string{token}, messages.MaxTokens),
		If: &messages.Condition{
			Match: versions(), NoneMatch: versions(), UnmodifiedSince: 1 << 62,
		},
		Version: 1 << 62, Limit: messages.MaxEntries, Quiet: true, Issued: 1 << 62,
	}
}

// TestLargest: what the limits allow can be sent, alone even to the server with the least
// max_payload, and read.
func TestLargest(t *testing.T) {
	t.Parallel()
	o := largest()
	if kind, detail := o.Check(messages.WriteSubject); kind != "" {
		t.Fatal(kind, detail)
	}
	if size, room := o.Size(), messages.Room(messages.MinPayload); size > room {
		t.Errorf("the largest operation takes %d bytes, and there is room for %d", size, room)
	}
	request := messages.Request{Operations: []messages.Operation{o}}
	data, err := messages.EncodeRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := messages.DecodeRequest(data); err != nil || !reflect.DeepEqual(got, request) {
		t.Errorf("%v\n got %.300v\nwant %.300v", err, got, request)
	}

	r := messages.Result{
		Version: 1 << 62, Modified: 1 << 62, Absent: true, Created: true, Replayed: true,
		Path: o.Path, Document: o.Document,
		Entries: slices.Repeat([]messages.Entry{{
			Version: 1 << 62, Time: 1 << 62,
			Operation: "delete-value", Size: 1 << 62,
		}}, messages.MaxEntries),
	}
	reply := messages.Reply{Worker: workerID, Results: []messages.Result{r}}
	if data, err = messages.EncodeReply(reply); err != nil {
		t.Fatal(err)
	}
	if got, err := messages.DecodeReply(data, 1); err != nil || !reflect.DeepEqual(got, reply) {
		t.Errorf("%v\n got %.300v\nwant %.300v", err, got, reply)
	}
}
