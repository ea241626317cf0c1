package messages_test

import "github.com/outset-settings/outset/pkg/messages"

var (
	goldenFollow = messages.Request{Operations: []messages.Operation{
		{Action: messages.ActionFollow, Follow: &messages.Following{Limit: 1, Now: true}},
		{Action: messages.ActionFollow, Follow: &messages.Following{
			After: &messages.Position{Database: "d", Transaction: 7, User: "42", Listing: true},
			Limit: 500, Documents: true,
		}},
	}}
	goldenFollowBytes = `
		a1 01 82                                  # a request with 2 operations
		    a2                                    #     2 fields
		      01 18 19                            #       1, action: follow
		      13 a2                               #       19, follow: 2 fields
		        02 01                             #         2, limit: 1
		        04 f5                             #         4, now: true
		    a2                                    #     2 fields
		      01 18 19                            #       1, action: follow
		      13 a3                               #       19, follow: 3 fields
		        01 a4                             #         1, after: 4 fields
		          01 61 64                        #           1, database: "d"
		          02 07                           #           2, transaction: 7
		          03 62 3432                      #           3, user: "42"
		          04 f5                           #           4, listing: true
		        02 19 01f4                        #         2, limit: 500
		        03 f5                             #         3, documents: true`

	goldenFollowed = messages.Reply{Worker: "w5", Results: []messages.Result{
		{
			Users:    []messages.User{{ID: "43", Version: 2, Transaction: 8}},
			Position: &messages.Position{Database: "d", Transaction: 9}, More: true, Behind: true,
		},
		{Reset: true},
		{Kind: messages.KindNotFound, Fenced: true},
	}}
	goldenFollowedBytes = `
		a2 01 62 7735 02 83                       # a reply of worker "w5" with 3 results
		    a4                                    #     4 fields
		      0c 81                               #       12, users: 1 of them
		        a3                                #         3 fields
		          01 62 3433                      #           1, id: "43"
		          02 02                           #           2, version: 2
		          08 08                           #           8, transaction: 8
		      15 a2                               #       21, position: 2 fields
		        01 61 64                          #         1, database: "d"
		        02 09                             #         2, transaction: 9
		      16 f5                               #       22, more: true
		      17 f5                               #       23, behind: true
		    a1                                    #     1 field
		      18 18 f5                            #       24, reset: true
		    a2                                    #     2 fields: refused when it was sent again
		      01 69 6e6f742d666f756e64            #       1, kind: "not-found"
		      18 19 f5                            #       25, fenced: true`
)
