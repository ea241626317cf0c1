package messages_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// The golden messages of the third generation: listings, the schema and changes.
var (
	goldenListing = messages.Request{Operations: []messages.Operation{
		{Action: messages.ActionListUsers, List: &messages.Listing{
			After: "42", Limit: 300,
			Since: 1764000000000, Whole: true,
		}},
		{Action: messages.ActionPutSchema, ID: "op-4", Document: []byte("{}")},
	}}
	goldenListingBytes = `
		a1 01 82                                  # a request of 2 operations
		    a3                                    #     3 fields
		      01 11                               #       1, action: list the users
		      02 60                               #       2, user: nobody
		      0f a4                               #       15, list: 4 fields
		        01 62 3432                        #         1, after: "42"
		        02 19 012c                        #         2, limit: 300
		        03 1b 0000019ab697e800            #         3, since: 1764000000000
		        04 f5                             #         4, whole: true
		    a4                                    #     4 fields
		      01 14                               #       1, action: put the schema
		      02 60                               #       2, user: nobody
		      05 64 6f702d34                      #       5, id: "op-4"
		      07 42 7b7d                          #       7, document: {}, as bytes`

	goldenUsers = messages.Reply{Worker: "w3", Results: []messages.Result{
		{
			Users: []messages.User{
				{ID: "43", Version: 7, Modified: 1764000000000, Document: []byte("{}")},
				{ID: "44", Version: 8, Violations: []messages.Violation{{
					Pointer: "/a",
					Reason:  "bad",
				}}},
			},
			Next: "44", Checked: 2, Broken: 1,
		},
		{
			Kind: messages.KindViolation, Violations: []messages.Violation{{Reason: "bad"}},
			MoreViolations: true,
		},
		{Version: 3, Schema: 2},
	}}
	goldenUsersBytes = `
		a2 01 62 7733 02 83                       # a reply of worker "w3" with 3 results
		    a4                                    #     4 fields: users
		      0c 82                               #       12, users: 2 of them
		        a4 01 62 3433 02 07 03 1b 0000019ab697e800 04 42 7b7d  # id "43", version 7, modified, document {}
		        a3 01 62 3434 02 08 05 81 a2 01 62 2f61 02 63 626164   # id "44", version 8, violation at "/a": "bad"
		      0d 62 3434                          #       13, next: "44"
		      11 02                               #       17, checked: 2
		      12 01                               #       18, broken: 1
		    a3                                    #     3 fields: the schema is broken
		      01 70 736368656d612d76696f6c6174696f6e  # 1, kind: "schema-violation"
		      0f 81 a2 01 60 02 63 626164         #       15, violations: at "": "bad"
		      10 f5                               #       16, more: true
		    a2                                    #     2 fields
		      03 03                               #       3, version: 3
		      0e 02                               #       14, schema: 2`

	goldenChanged      = messages.Changed{Version: 7, Modified: 1764000000000, Absent: true}
	goldenChangedBytes = `
		a3                                        # a change: 3 fields
		  01 07                                   #   1, version: 7
		  02 1b 0000019ab697e800                  #   2, modified: 1764000000000
		  03 f5                                   #   3, absent: true`
)

func TestGoldenListing(t *testing.T) {
	t.Parallel()
	want := fromHex(t, goldenListingBytes)
	if got, err := messages.EncodeRequest(goldenListing); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded: %v\n got %x\nwant %x", err, got, want)
	}
	if got, err := messages.DecodeRequest(want); err != nil ||
		!reflect.DeepEqual(got, goldenListing) {
		t.Errorf("decoded: %v\n got %+v\nwant %+v", err, got, goldenListing)
	}
}

func TestGoldenUsers(t *testing.T) {
	t.Parallel()
	want := fromHex(t, goldenUsersBytes)
	if got, err := messages.EncodeReply(goldenUsers); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded: %v\n got %x\nwant %x", err, got, want)
	}
	if got, err := messages.DecodeReply(want, len(goldenUsers.Results)); err != nil ||
		!reflect.DeepEqual(got, goldenUsers) {
		t.Errorf("decoded: %v\n got %+v\nwant %+v", err, got, goldenUsers)
	}
}

func TestGoldenChanged(t *testing.T) {
	t.Parallel()
	want := fromHex(t, goldenChangedBytes)
	if got, err := messages.EncodeChanged(goldenChanged); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded: %v\n got %x\nwant %x", err, got, want)
	}
	if got, err := messages.DecodeChanged(want); err != nil || got != goldenChanged {
		t.Errorf("decoded: %v, %+v, want %+v", err, got, goldenChanged)
	}
	if _, err := messages.DecodeChanged(want[:5]); err == nil {
		t.Error("half a change was decoded")
	}
}

// TestChangedSubject: no id reaches beyond its own subject, whatever is in it.
func TestChangedSubject(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{
		"42": "settings.v1.changed.NDI", ">": "settings.v1.changed.Pg",
		"*": "settings.v1.changed.Kg", "a.b c": "settings.v1.changed.YS5iIGM",
		"日本": "settings.v1.changed.5pel5pys", "~~~": "settings.v1.changed.fn5-",
	} {
		if got := messages.ChangedSubject(user); got != want {
			t.Errorf("%q: %s, want %s", user, got, want)
		}
	}
}
