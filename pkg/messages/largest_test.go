package messages_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// largest has as much of everything as the limits allow.
func largest() messages.Operation {
	versions := func() *messages.Versions {
		v := &messages.Versions{Any: true}
		for i := range int64(messages.MaxVersions) {
			v.Listed = append(v.Listed, messages.Tag{1<<62 + i, lastMicros})
		}
		return v
	}
	token := strings.Repeat("t", messages.MaxPath/messages.MaxTokens)
	return messages.Operation{
		Action: messages.ActionSetValue, User: strings.Repeat("u", messages.MaxUser),
		RequestID: strings.Repeat("r", messages.MaxRequestID), Deadline: lastMillis,
		ID: strings.Repeat("i", messages.MaxID), Fingerprint: make([]byte, messages.MaxFingerprint),
		Document: make([]byte, messages.MaxDocument),
		Path:     slices.Repeat([]string{token}, messages.MaxTokens),
		If: &messages.Condition{
			Match: versions(), NoneMatch: versions(), UnmodifiedSince: lastMillis / 1000,
		},
		Version: 1 << 62, Limit: messages.MaxEntries, Quiet: true, Keyed: true, Issued: lastMillis * 1000,
		Actor: largestActor(), Again: true,
	}
}

func largestActor() *messages.Actor {
	return messages.NewActor(messages.ActorService, strings.Repeat("s", 2*messages.MaxSubject),
		strings.Repeat("t", 2*messages.MaxTokenID))
}

// TestLargestTokens: all service tokens fit in one message, with those of the configuration.
func TestLargestTokens(t *testing.T) {
	t.Parallel()
	token := newToken()
	token.ID = strings.Repeat("i", messages.MaxTokenID)
	token.Name = strings.Repeat("n", messages.MaxTokenName)
	token.Scopes = slices.Repeat([]string{strings.Repeat("s", 16)}, messages.MaxScopes)
	token.App, token.Expires = strings.Repeat("a", 32), 1<<47
	o := messages.Operation{Action: messages.ActionCreateToken, ID: "op-1", Token: token}
	if kind, detail := o.Check(messages.WriteSubject); kind != "" {
		t.Fatal(kind, detail)
	}
	token.Created, token.LastUsed, token.CreatedBy = 1<<47, 1<<47, largestActor()
	r := messages.Result{
		Tokens: slices.Repeat([]messages.Token{*token}, messages.MaxServiceTokens+24),
	}
	if size, capacity := r.Size(), messages.Capacity(messages.MinPayload); size > capacity {
		t.Errorf("the largest tokens take %d bytes of a capacity of %d", size, capacity)
	}
	reply := messages.Reply{Worker: workerID, Results: []messages.Result{r}}
	data, err := messages.EncodeReply(reply)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := messages.DecodeReply(data, 1); err != nil || !reflect.DeepEqual(got, reply) {
		t.Errorf("%v\n got %.300v\nwant %.300v", err, got, reply)
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
	if size, capacity := o.Size(), messages.Capacity(messages.MinPayload); size > capacity {
		t.Errorf("the largest operation takes %d bytes of a capacity of %d", size, capacity)
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
		Version: 1 << 62, Modified: lastMicros, Absent: true, Created: true, Replayed: true,
		Path: o.Path, Document: o.Document,
		Entries: slices.Repeat([]messages.Entry{{
			Version: 1 << 62, Time: lastMicros, Action: "delete-value", Size: 1 << 62,
			Actor: largestActor(),
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
