package messages_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// The golden messages of the second generation: actions from 3 on and the fields that came with
// them. They are as binding as those in golden_test.go.
var (
	goldenActions = messages.Request{Operations: []messages.Operation{
		{
			Action: messages.ActionSetValue, User: "42", ID: "op-2", Document: []byte(`"dark"`), Path: []string{"tags", "-"},
			If: &messages.Condition{
				Match:     &messages.Versions{Listed: []int64{3, 0}},
				NoneMatch: &messages.Versions{Any: true}, UnmodifiedSince: 1764000000,
			},
			Quiet: true, Issued: 1764000000000, Keyed: true,
		},
		{
			Action: messages.ActionRestore, User: "42", ID: "op-3", Version: 300,
			If: &messages.Condition{},
		},
		{Action: messages.ActionHistory, User: "42", Version: 300, Limit: 50},
		{Action: messages.ActionLimits},
	}}
	goldenActionsBytes = `
		a1                                        # a request: 1 field
		  01                                      #   1, operations:
		  84                                      #   4 of them
		    a9                                    #     9 fields
		      01 06                               #       1, action: set a value
		      02 62 3432                          #       2, user: "42"
		      05 64 6f702d32                      #       5, id: "op-2"
		      07 46 226461726b22                  #       7, document: "dark", as bytes
		      08 82 64 74616773 61 2d             #       8, path: "tags", "-"
		      09 a3                               #       9, if: 3 fields
		        01 a1 02 82 03 00                 #         1, match: listed are 3 and 0
		        02 a1 01 f5                       #         2, none match: any
		        03 1a 69248100                    #         3, unmodified since: 1764000000
		      0c f5                               #       12, quiet: true
		      0d 1b 0000019ab697e800              #       13, issued: 1764000000000
		      0e f5                               #       14, keyed: true
		    a5                                    #     5 fields
		      01 08                               #       1, action: restore
		      02 62 3432                          #       2, user: "42"
		      05 64 6f702d33                      #       5, id: "op-3"
		      09 a0                               #       9, if: nothing, and yet there
		      0a 19 012c                          #       10, version: 300
		    a4                                    #     4 fields
		      01 0d                               #       1, action: the history
		      02 62 3432                          #       2, user: "42"
		      0a 19 012c                          #       10, version, below it: 300
		      0b 18 32                            #       11, limit: 50
		    a2                                    #     2 fields
		      01 0e                               #       1, action: limits
		      02 60                               #       2, user: nobody`

	goldenResults = messages.Reply{Worker: "w2", Results: []messages.Result{
		{Version: 4, Modified: 1764000000000, Created: true, Path: []string{"tags", "0"}},
		{Version: 5, Modified: 1764000000000, Absent: true},
		{
			Kind: messages.KindPrecondition, Detail: "changed", Version: 3, Document: []byte(theme),
			Modified: 1764000000000,
		},
		{Version: 5, Entries: []messages.Entry{
			{Version: 5, Time: 1764000000000, Operation: "delete"},
			{Version: 4, Time: 1764000000000, Operation: "replace", Size: 16},
		}},
		{Kind: messages.KindUnavailable, Busy: true},
	}}
	goldenResultsBytes = `
		a2                                        # a reply: 2 fields
		  01 62 7732                              #   1, worker: "w2"
		  02                                      #   2, results:
		  85                                      #   5 of them
		    a4                                    #     4 fields: a value was appended
		      03 04                               #       3, version: 4
		      06 1b 0000019ab697e800              #       6, modified: 1764000000000
		      08 f5                               #       8, created: true
		      09 82 64 74616773 61 30             #       9, path: "tags", "0"
		    a3                                    #     3 fields: the document was deleted
		      03 05                               #       3, version: 5
		      06 1b 0000019ab697e800              #       6, modified: 1764000000000
		      07 f5                               #       7, absent: true
		    a5                                    #     5 fields: the condition did not hold
		      01 73 707265636f6e646974696f6e2d6661696c6564  #  1, kind: "precondition-failed"
		      02 67 6368616e676564                #       2, detail: "changed"
		      03 03                               #       3, version: 3
		      04 50 7b227468656d65223a226461726b227d  #   4, document: {"theme":"dark"}, as bytes
		      06 1b 0000019ab697e800              #       6, modified: 1764000000000
		    a2                                    #     2 fields: the history was read
		      03 05                               #       3, version: 5
		      0a 82                               #       10, entries: 2 of them
		        a3                                #         3 fields
		          01 05                           #           1, version: 5
		          02 1b 0000019ab697e800          #           2, time: 1764000000000
		          03 66 64656c657465              #           3, operation: "delete"
		        a4                                #         4 fields
		          01 04                           #           1, version: 4
		          02 1b 0000019ab697e800          #           2, time: 1764000000000
		          03 67 7265706c616365            #           3, operation: "replace"
		          04 10                           #           4, size: 16
		    a2                                    #     2 fields: others were writing all the time
		      01 6b 756e617661696c61626c65        #       1, kind: "unavailable"
		      0b f5                               #       11, busy: true`
)

func TestGoldenActions(t *testing.T) {
	t.Parallel()
	want := fromHex(t, goldenActionsBytes)
	if got, err := messages.EncodeRequest(goldenActions); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded: %v\n got %x\nwant %x", err, got, want)
	}
	if got, err := messages.DecodeRequest(want); err != nil ||
		!reflect.DeepEqual(got, goldenActions) {
		t.Errorf("decoded: %v\n got %+v\nwant %+v", err, got, goldenActions)
	}
}

func TestGoldenResults(t *testing.T) {
	t.Parallel()
	want := fromHex(t, goldenResultsBytes)
	if got, err := messages.EncodeReply(goldenResults); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded: %v\n got %x\nwant %x", err, got, want)
	}
	if got, err := messages.DecodeReply(want, len(goldenResults.Results)); err != nil ||
		!reflect.DeepEqual(got, goldenResults) {
		t.Errorf("decoded: %v\n got %+v\nwant %+v", err, got, goldenResults)
	}
}

// TestGoldenActionNames: the numbers are on the wire, the names in the history, for ever.
func TestGoldenActionNames(t *testing.T) {
	t.Parallel()
	for action, want := range map[messages.Action]struct{ name, subject string }{
		1:  {"", messages.ReadSubject},
		2:  {"replace", messages.WriteSubject},
		3:  {"merge-patch", messages.WriteSubject},
		4:  {"json-patch", messages.WriteSubject},
		5:  {"delete", messages.WriteSubject},
		6:  {"set-value", messages.WriteSubject},
		7:  {"delete-value", messages.WriteSubject},
		8:  {"restore", messages.WriteSubject},
		9:  {"erase", messages.WriteSubject},
		10: {"replace", messages.WriteSubject},
		11: {"", messages.ReadSubject},
		12: {"", messages.ReadSubject},
		13: {"", messages.ReadSubject},
		14: {"", messages.ReadSubject},
		15: {"", messages.ReadSubject},
		16: {"", messages.ReadSubject},
		17: {"", messages.ReadSubject},
		18: {"", messages.ReadSubject},
		19: {"", messages.ReadSubject},
		20: {"put-schema", messages.WriteSubject},
		21: {"delete-schema", messages.WriteSubject},
		22: {"", messages.ReadSubject},
	} {
		if action > messages.LastAction {
			t.Errorf("action %d is gone; actions are append-only", action)
		}
		if action.String() != want.name || action.Subject() != want.subject ||
			action.Writes() != (want.name != "") {
			t.Errorf("action %d: %q on %s, writes: %v; want %+v", action, action, action.Subject(),
				action.Writes(), want)
		}
	}
	if messages.LastAction != 22 || messages.ActionsKey != "actions" {
		t.Errorf("%q: %d; is the new action in the table above?", messages.ActionsKey,
			messages.LastAction)
	}
}
