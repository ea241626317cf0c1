package messages_test

import "github.com/outset-settings/outset/pkg/messages"

// The golden requests. Together they have every field.
var (
	goldenRequest = messages.Request{Operations: []messages.Operation{
		{
			Action: messages.ActionRead, User: "42", RequestID: "req-1", Deadline: 1764000000000,
			Principal: 300,
		},
		{
			Action: messages.ActionReplace, User: "日本", RequestID: "req-2",
			Issued: 1764000000000000, Deadline: 1764000000001,
			ID: "op-1", Keyed: true, Fingerprint: []byte{0xde, 0xad, 0xbe, 0xef},
			Document: []byte(theme), Again: true, Trace: []byte("the trace's id, the span"),
		},
	}, Secret: []byte("sixteen bytes of"), Trace: []byte("the trace's id, message.")}
	goldenRequestBytes = `
		a3                                        # a request: 3 fields
		  01                                      #   1, operations:
		  82                                      #   2 of them
		    a5                                    #     5 fields
		      01 01                               #       1, action: read
		      02 62 3432                          #       2, user: "42"
		      03 65 7265712d31                    #       3, request id: "req-1"
		      05 1b 0000019ab697e800              #       5, deadline: 1764000000000
		      15 19 012c                          #      21, principal: 300
		    ab                                    #     11 fields
		      01 07                               #       1, action: replace
		      02 66 e697a5e69cac                  #       2, user: "日本"
		      03 65 7265712d32                    #       3, request id: "req-2"
		      04 1b 0006445941624000              #       4, issued: 1764000000000000
		      05 1b 0000019ab697e801              #       5, deadline: 1764000000001
		      06 64 6f702d31                      #       6, id: "op-1"
		      07 f5                               #       7, keyed: true
		      08 44 deadbeef                      #       8, fingerprint
		      0d 50 7b227468656d65223a226461726b227d  #  13, document: {"theme":"dark"}, as bytes
		      14 f5                               #       20, again: true
		      16 58 18 74686520747261636527732069642c20746865207370616e  #  22, trace
		  02 50 7369787465656e206279746573206f66  #   2, secret
		  03 58 18 74686520747261636527732069642c206d6573736167652e  #   3, trace`

	goldenActions = messages.Request{Operations: []messages.Operation{
		{
			Action: messages.ActionSetValue, User: "42", ID: "op-2",
			If: &messages.Condition{
				Match:     &messages.Versions{Listed: []messages.Tag{{3, 1764000000000000}, {}}},
				NoneMatch: &messages.Versions{Any: true}, UnmodifiedSince: 1764000000,
			},
			Quiet: true, Path: []string{"tags", "-"}, Document: []byte(`"dark"`),
		},
		{
			Action: messages.ActionRestore, User: "42", ID: "op-3", If: &messages.Condition{},
			Version: 300,
		},
		{Action: messages.ActionHistory, User: "42", Version: 300, Limit: 50},
		{Action: messages.ActionListUsers, List: &messages.Listing{
			After: "42", Limit: 300, Since: 1764000000000, Documents: true,
		}},
		{Action: messages.ActionPutSchema, ID: "op-4", Document: []byte("{}")},
		{Action: messages.ActionLimits},
	}}
	goldenActionsBytes = `
		a1                                        # a request: 1 field
		  01                                      #   1, operations:
		  86                                      #   6 of them
		    a7                                    #     7 fields
		      01 0a                               #       1, action: set a value
		      02 62 3432                          #       2, user: "42"
		      06 64 6f702d32                      #       6, id: "op-2"
		      09 a3                               #       9, if: 3 fields
		        01 a1 02 82                       #         1, match: 2 are listed
		          a2 01 03 02 1b 0006445941624000 #           version 3, made at 1764000000000000
		          a1 01 00                        #           version 0
		        02 a1 01 f5                       #         2, none match: any
		        03 1a 69248100                    #         3, unmodified since: 1764000000
		      0a f5                               #       10, quiet: true
		      0b 82 64 74616773 61 2d             #       11, path: "tags", "-"
		      0d 46 226461726b22                  #       13, document: "dark", as bytes
		    a5                                    #     5 fields
		      01 0d                               #       1, action: restore
		      02 62 3432                          #       2, user: "42"
		      06 64 6f702d33                      #       6, id: "op-3"
		      09 a0                               #       9, if: nothing, and yet there
		      0c 19 012c                          #       12, version: 300
		    a4                                    #     4 fields
		      01 06                               #       1, action: the history
		      02 62 3432                          #       2, user: "42"
		      0c 19 012c                          #       12, version, below it: 300
		      0e 18 32                            #       14, limit: 50
		    a2                                    #     2 fields
		      01 0f                               #       1, action: list the users
		      0f a4                               #       15, list: 4 fields
		        01 62 3432                        #         1, after: "42"
		        02 19 012c                        #         2, limit: 300
		        03 1b 0000019ab697e800            #         3, since: 1764000000000
		        04 f5                             #         4, documents: true
		    a3                                    #     3 fields
		      01 11                               #       1, action: put the schema
		      06 64 6f702d34                      #       6, id: "op-4"
		      0d 42 7b7d                          #       13, document: {}, as bytes
		    a1                                    #     1 field
		      01 14                               #       1, action: limits`
)
