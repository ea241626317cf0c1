package messages_test

import "github.com/outset-settings/outset/pkg/messages"

// The golden replies and the golden change. Together they have every field.
var (
	goldenReply = messages.Reply{Worker: "w1", Results: []messages.Result{
		{Version: 3, Document: []byte(theme)},
		{Version: 300},
		{Version: 300, Replayed: true},
		{Kind: messages.KindInvalid, Detail: "not an object"},
		{},
	}}
	goldenReplyBytes = `
		a2                                        # a reply: 2 fields
		  01 62 7731                              #   1, worker: "w1"
		  02                                      #   2, results:
		  85                                      #   5 of them
		    a2                                    #     2 fields: something was read
		      05 03                               #       5, version: 3
		      08 50 7b227468656d65223a226461726b227d  #   8, document: {"theme":"dark"}, as bytes
		    a1                                    #     1 field: something was written
		      05 19 012c                          #       5, version: 300
		    a2                                    #     2 fields: it had been written before
		      04 f5                               #       4, replayed: true
		      05 19 012c                          #       5, version: 300
		    a2                                    #     2 fields: it failed
		      01 70 696e76616c69642d646f63756d656e74  #   1, kind: "invalid-document"
		      02 6d 6e6f7420616e206f626a656374    #       2, detail: "not an object"
		    a0                                    #     no field: version 0, no document`

	goldenPart = messages.Reply{
		Worker: "w1", Results: []messages.Result{{Version: 1, Took: 300}}, Of: []int{2},
	}
	goldenPartBytes = `
		a3                                        # a reply: 3 fields
		  01 62 7731                              #   1, worker: "w1"
		  02                                      #   2, results:
		  81                                      #   1 of them
		    a2                                    #     2 fields
		      05 01                               #       5, version: 1
		      18 1a 19 012c                       #       26, took: 300 µs
		  05 81 02                                #   5, of: operation 2`

	goldenWorking = messages.Reply{
		Worker: "w1", Working: true, Proof: []byte{0xde, 0xad, 0xbe, 0xef},
	}
	goldenWorkingBytes = `
		a3                                        # a reply: 3 fields
		  01 62 7731                              #   1, worker: "w1"
		  06 f5                                   #   6, working: true
		  07 44 deadbeef                          #   7, proof`

	goldenRefusal      = messages.Reply{Worker: "w1", Kind: messages.KindOverloaded, Detail: "full"}
	goldenRefusalBytes = `
		a3                                        # a reply: 3 fields
		  01 62 7731                              #   1, worker: "w1"
		  03 6a 6f7665726c6f61646564              #   3, kind, of the request as a whole: "overloaded"
		  04 64 66756c6c                          #   4, detail: "full"`

	goldenResults = messages.Reply{Worker: "w2", Results: []messages.Result{
		{Version: 4, Modified: 1764000000000, Created: true, Path: []string{"tags", "0"}},
		{Version: 5, Modified: 1764000000000, Absent: true},
		{
			Kind: messages.KindPrecondition, Detail: "changed", Version: 3, Document: []byte(theme),
			Modified: 1764000000000,
		},
		{Version: 5, Entries: []messages.Entry{
			{Version: 5, Time: 1764000000000, Action: "delete"},
			{Version: 4, Time: 1764000000000, Action: "restore", Size: 16, Dropped: true, Restored: 2},
		}},
		{Kind: messages.KindUnavailable, Busy: true},
	}}
	goldenResultsBytes = `
		a2                                        # a reply: 2 fields
		  01 62 7732                              #   1, worker: "w2"
		  02                                      #   2, results:
		  85                                      #   5 of them
		    a4                                    #     4 fields: a value was appended
		      05 04                               #       5, version: 4
		      06 1b 0000019ab697e800              #       6, modified: 1764000000000
		      09 f5                               #       9, created: true
		      0a 82 64 74616773 61 30             #       10, path: "tags", "0"
		    a3                                    #     3 fields: the document was deleted
		      05 05                               #       5, version: 5
		      06 1b 0000019ab697e800              #       6, modified: 1764000000000
		      07 f5                               #       7, absent: true
		    a5                                    #     5 fields: the condition did not hold
		      01 73 707265636f6e646974696f6e2d6661696c6564  #  1, kind: "precondition-failed"
		      02 67 6368616e676564                #       2, detail: "changed"
		      05 03                               #       5, version: 3
		      06 1b 0000019ab697e800              #       6, modified: 1764000000000
		      08 50 7b227468656d65223a226461726b227d  #   8, document: {"theme":"dark"}, as bytes
		    a2                                    #     2 fields: the history was read
		      05 05                               #       5, version: 5
		      0b 82                               #       11, entries: 2 of them
		        a3                                #         3 fields
		          01 05                           #           1, version: 5
		          02 1b 0000019ab697e800          #           2, time: 1764000000000
		          03 66 64656c657465              #           3, action: "delete"
		        a6                                #         6 fields
		          01 04                           #           1, version: 4
		          02 1b 0000019ab697e800          #           2, time: 1764000000000
		          03 67 726573746f7265            #           3, action: "restore"
		          04 10                           #           4, size: 16
		          06 f5                           #           6, dropped: true
		          07 02                           #           7, restored: 2
		    a2                                    #     2 fields: others were writing all the time
		      01 6b 756e617661696c61626c65        #       1, kind: "unavailable"
		      03 f5                               #       3, busy: true`

	goldenUsers = messages.Reply{Worker: "w3", Results: []messages.Result{
		{
			Users: []messages.User{
				{ID: "43", Version: 7, Modified: 1764000000000, Document: []byte("{}")},
				{ID: "44", Version: 8, Violations: []messages.Violation{
					{Pointer: "/a", Reason: "bad"},
				}},
				{ID: "45", Version: 9, Absent: true, Erased: 9},
			},
			Next: "44", Checked: 2, Broken: 1,
		},
		{
			Kind: messages.KindViolation, Violations: []messages.Violation{{Reason: "bad"}},
			MoreViolations: true,
		},
		{Version: 3, Schema: 2, SchemaModified: 1764000000000000},
	}}
	goldenUsersBytes = `
		a2 01 62 7733 02 83                       # a reply of worker "w3" with 3 results
		    a4                                    #     4 fields: users
		      0c 83                               #       12, users: 3 of them
		        a4                                #         4 fields
		          01 62 3433                      #           1, id: "43"
		          02 07                           #           2, version: 7
		          03 1b 0000019ab697e800          #           3, modified: 1764000000000
		          04 42 7b7d                      #           4, document: {}, as bytes
		        a3                                #         3 fields
		          01 62 3434                      #           1, id: "44"
		          02 08                           #           2, version: 8
		          05 81 a2 01 62 2f61 02 63 626164  #         5, violations: at "/a": "bad"
		        a4                                #         4 fields
		          01 62 3435                      #           1, id: "45"
		          02 09                           #           2, version: 9
		          06 f5                           #           6, absent: true
		          07 09                           #           7, erased: 9
		      0d 62 3434                          #       13, next: "44"
		      11 02                               #       17, checked: 2
		      12 01                               #       18, broken: 1
		    a3                                    #     3 fields: the schema is broken
		      01 70 736368656d612d76696f6c6174696f6e  # 1, kind: "schema-violation"
		      0f 81 a2 01 60 02 63 626164         #       15, violations: at "": "bad"
		      10 f5                               #       16, more: true
		    a3                                    #     3 fields
		      05 03                               #       5, version: 3
		      0e 02                               #       14, schema: 2
		      14 1b 0006445941624000              #       20, schema made: 1764000000000000`

	goldenChanged      = messages.Changed{Version: 7, Modified: 1764000000000, Absent: true}
	goldenChangedBytes = `
		a3                                        # a change: 3 fields
		  01 07                                   #   1, version: 7
		  02 1b 0000019ab697e800                  #   2, modified: 1764000000000
		  03 f5                                   #   3, absent: true`
)
