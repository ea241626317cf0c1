package messages_test

import (
	"bytes"

	"github.com/outset-settings/outset/pkg/messages"
)

// The golden messages with actors and tokens.
var (
	goldenTokenActions = messages.Request{Operations: []messages.Operation{
		{
			Action: messages.ActionDelete, User: "42", ID: "op-5",
			Actor: &messages.Actor{Kind: messages.ActorUser, Subject: "42", Token: "j1"},
		},
		{Action: messages.ActionListTokens},
		{
			Action: messages.ActionCreateToken, ID: "op-6",
			Actor: &messages.Actor{Kind: messages.ActorService, Subject: "ci", Token: "a1"},
			Token: &messages.Token{
				ID: "b2", Name: "nightly", Hash: bytes.Repeat([]byte{0xab}, 32),
				Scopes: []string{"users:export"}, App: messages.DefaultApp,
				Expires: 1764000000000,
			},
		},
		{
			Action: messages.ActionRevokeToken, ID: "op-7", Token: &messages.Token{ID: "b2"},
		},
		{
			Action: messages.ActionUsedTokens, ID: "op-8",
			Uses: []messages.TokenUse{{ID: "b2", Time: 1764000000000}},
		},
	}}
	goldenTokenActionsBytes = `
		a1 01 85                                  # a request with 5 operations
		    a4                                    #     4 fields
		      01 0c                               #       1, action: delete
		      02 62 3432                          #       2, user: "42"
		      06 64 6f702d35                      #       6, id: "op-5"
		      10 a3                               #       16, actor: 3 fields
		        01 01                             #         1, kind: a user
		        02 62 3432                        #         2, subject: "42"
		        03 62 6a31                        #         3, token: "j1"
		    a1                                    #     1 field
		      01 15                               #       1, action: list the tokens
		    a4                                    #     4 fields
		      01 16                               #       1, action: create a token
		      06 64 6f702d36                      #       6, id: "op-6"
		      10 a3                               #       16, actor: 3 fields
		        01 02                             #         1, kind: a service
		        02 62 6369                        #         2, subject: "ci"
		        03 62 6131                        #         3, token: "a1"
		      11 a6                               #       17, token: 6 fields
		        01 62 6232                        #         1, id: "b2"
		        02 67 6e696768746c79              #         2, name: "nightly"
		        03 58 20                          #         3, hash: 32 bytes
		          abababababababababababababababab
		          abababababababababababababababab
		        04 81 6c 75736572733a6578706f7274 #         4, scopes: "users:export"
		        05 67 64656661756c74              #         5, application: "default"
		        08 1b 0000019ab697e800            #         8, expires: 1764000000000
		    a3                                    #     3 fields
		      01 17                               #       1, action: revoke a token
		      06 64 6f702d37                      #       6, id: "op-7"
		      11 a1 01 62 6232                    #       17, token: its id is "b2"
		    a3                                    #     3 fields
		      01 18 18                            #       1, action: tokens were used
		      06 64 6f702d38                      #       6, id: "op-8"
		      12 81 a2                            #       18, uses: 1 of them, 2 fields
		        01 62 6232                        #         1, id: "b2"
		        02 1b 0000019ab697e800            #         2, time: 1764000000000`

	goldenTokens = messages.Reply{Worker: "w4", Results: []messages.Result{
		{Entries: []messages.Entry{{
			Version: 5, Time: 1764000000000, Action: "delete",
			Actor: &messages.Actor{Kind: messages.ActorService, Subject: "ci", Token: "a1"},
		}}},
		{Tokens: []messages.Token{{
			ID: "b2", Name: "nightly", Hash: []byte{0xde, 0xad}, Scopes: []string{"admin"},
			App: messages.DefaultApp, Created: 1764000000000,
			CreatedBy: &messages.Actor{Kind: messages.ActorUser, Subject: "42", Token: "j1"},
			Expires:   1764000000001, LastUsed: 1764000000002,
		}}},
	}}
	goldenTokensBytes = `
		a2 01 62 7734 02 82                       # a reply of worker "w4" with 2 results
		    a1                                    #     1 field
		      0b 81 a4                            #       11, entries: 1 of them, 4 fields
		        01 05                             #         1, version: 5
		        02 1b 0000019ab697e800            #         2, time: 1764000000000
		        03 66 64656c657465                #         3, action: "delete"
		        05 a3                             #         5, actor: 3 fields
		          01 02                           #           1, kind: a service
		          02 62 6369                      #           2, subject: "ci"
		          03 62 6131                      #           3, token: "a1"
		    a1                                    #     1 field
		      13 81 a9                            #       19, tokens: 1 of them, 9 fields
		        01 62 6232                        #         1, id: "b2"
		        02 67 6e696768746c79              #         2, name: "nightly"
		        03 42 dead                        #         3, hash
		        04 81 65 61646d696e               #         4, scopes: "admin"
		        05 67 64656661756c74              #         5, application: "default"
		        06 1b 0000019ab697e800            #         6, created: 1764000000000
		        07 a3                             #         7, created by: 3 fields
		          01 01                           #           1, kind: a user
		          02 62 3432                      #           2, subject: "42"
		          03 62 6a31                      #           3, token: "j1"
		        08 1b 0000019ab697e801            #         8, expires: 1764000000001
		        09 1b 0000019ab697e802            #         9, last used: 1764000000002`
)
