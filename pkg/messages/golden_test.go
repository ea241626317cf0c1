package messages_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/outset-settings/outset/pkg/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const theme = `{"theme":"dark"}`

// The golden messages: what programs that are running somewhere send and expect today. If a change
// makes one of these tests fail, it doesn't speak with them: it belongs on new subjects.
var (
	goldenRequest = messages.Request{Operations: []messages.Operation{
		{
			Action: messages.ActionRead, User: "42", RequestID: "req-1", Deadline: 1764000000000,
		},
		{
			Action: messages.ActionReplace, User: "日本", RequestID: "req-2", Deadline: 1764000000001,
			ID: "op-1", Fingerprint: []byte{0xde, 0xad, 0xbe, 0xef}, Document: []byte(theme),
		},
	}}
	goldenRequestBytes = `
		a1                                        # a request: 1 field
		  01                                      #   1, operations:
		  82                                      #   2 of them
		    a4                                    #     4 fields
		      01 01                               #       1, action: read
		      02 62 3432                          #       2, user: "42"
		      03 65 7265712d31                    #       3, request id: "req-1"
		      04 1b 0000019ab697e800              #       4, deadline: 1764000000000
		    a7                                    #     7 fields
		      01 02                               #       1, action: replace
		      02 66 e697a5e69cac                  #       2, user: "日本"
		      03 65 7265712d32                    #       3, request id: "req-2"
		      04 1b 0000019ab697e801              #       4, deadline: 1764000000001
		      05 64 6f702d31                      #       5, id: "op-1"
		      06 44 deadbeef                      #       6, fingerprint
		      07 50 7b227468656d65223a226461726b227d  #   7, document: {"theme":"dark"}, as bytes`

	goldenReply = messages.Reply{Worker: "w1", Results: []messages.Result{
		{Version: 3, Document: []byte(theme)},
		{Version: 300},
		{Version: 300, Replayed: true},
		{Kind: messages.KindInvalid, Detail: "not an object"},
		{Kind: messages.KindAskAgain},
		{},
	}}
	goldenReplyBytes = `
		a2                                        # a reply: 2 fields
		  01 62 7731                              #   1, worker: "w1"
		  02                                      #   2, results:
		  86                                      #   6 of them
		    a2                                    #     2 fields: something was read
		      03 03                               #       3, version: 3
		      04 50 7b227468656d65223a226461726b227d  #   4, document: {"theme":"dark"}, as bytes
		    a1                                    #     1 field: something was written
		      03 19 012c                          #       3, version: 300
		    a2                                    #     2 fields: it had been written before
		      03 19 012c                          #       3, version: 300
		      05 f5                               #       5, replayed: true
		    a2                                    #     2 fields: it failed
		      01 70 696e76616c69642d646f63756d656e74  #   1, kind: "invalid-document"
		      02 6d 6e6f7420616e206f626a656374    #       2, detail: "not an object"
		    a1                                    #     1 field: it did not fit
		      01 69 61736b2d616761696e            #       1, kind: "ask-again"
		    a0                                    #     no field: version 0, no document`

	goldenRefusal      = messages.Reply{Worker: "w1", Kind: messages.KindOverloaded, Detail: "full"}
	goldenRefusalBytes = `
		a3                                        # a reply: 3 fields
		  01 62 7731                              #   1, worker: "w1"
		  03 6a 6f7665726c6f61646564              #   3, kind, of the request as a whole: "overloaded"
		  04 64 66756c6c                          #   4, detail: "full"`
)

// fromHex reads the notation above.
func fromHex(t testing.TB, notation string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(notation) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	data, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGoldenRequest(t *testing.T) {
	t.Parallel()
	want := fromHex(t, goldenRequestBytes)
	if got, err := messages.EncodeRequest(goldenRequest); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded: %v\n got %x\nwant %x", err, got, want)
	}
	if got, err := messages.DecodeRequest(want); err != nil ||
		!reflect.DeepEqual(got, goldenRequest) {
		t.Errorf("decoded: %v\n got %+v\nwant %+v", err, got, goldenRequest)
	}
}

func TestGoldenReply(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply messages.Reply
		bytes string
	}{
		"results of every sort": {goldenReply, goldenReplyBytes},
		"refused as a whole":    {goldenRefusal, goldenRefusalBytes},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := fromHex(t, c.bytes)
			if got, err := messages.EncodeReply(c.reply); err != nil || !bytes.Equal(got, want) {
				t.Errorf("encoded: %v\n got %x\nwant %x", err, got, want)
			}
			if got, err := messages.DecodeReply(want, len(goldenReply.Results)); err != nil ||
				!reflect.DeepEqual(got, c.reply) {
				t.Errorf("decoded: %v\n got %+v\nwant %+v", err, got, c.reply)
			}
		})
	}
}

// TestGoldenNames: what is not in the bytes of a message, but as much a part of the contract.
func TestGoldenNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		messages.ReadSubject:  "settings.v1.read",
		messages.WriteSubject: "settings.v1.write",
		messages.QueueGroup:   "workers",
		messages.ServiceName:  "outset",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
