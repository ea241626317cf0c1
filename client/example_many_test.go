package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/outset-settings/outset/client"
)

func ExampleClient_Batch() {
	c := connect()
	defer c.CloseIdleConnections()

	results, err := c.Batch(context.Background(),
		client.OpPut("example-batch", json.RawMessage(`{"theme":"dark"}`)),
		client.OpSetValue("example-batch", client.Path{"font", "size"}, json.RawMessage(`12`)),
		client.OpValue("example-batch", client.Path{"colour"}),
		client.OpGet("example-batch"),
	)
	if err != nil {
		fmt.Println(err)
	}
	for _, r := range results {
		fmt.Println(r.Version, string(r.Document), errors.Is(r.Err, client.ErrNotFound))
	}
	// Output:
	// 1 {"theme":"dark"} false
	// 2 12 false
	// 0  true
	// 2 {"theme":"dark","font":{"size":12}} false
}

func ExampleClient_Watch() {
	c := connect()
	defer c.CloseIdleConnections()
	ctx := context.Background()

	for change, err := range c.Watch(ctx, "example-watch", &client.WatchOptions{Include: true}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(change.Version, string(change.Settings))
		if change.Version == 2 {
			break
		}
		// Somebody changes the settings.
		if _, err := c.SetValue(ctx, "example-watch", client.Path{"theme"},
			json.RawMessage(fmt.Sprint(change.Version+1))); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 0 {}
	// 1 {"theme":1}
	// 2 {"theme":2}
}

func ExampleClient_Import() {
	c := connect()
	defer c.CloseIdleConnections()

	lines := strings.NewReader(`{"user":"example-import-1","settings":{"theme":"dark"}}
{"user":"example-import-2","settings":["no","object"]}
`)
	for outcome, err := range c.Import(context.Background(), lines) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(outcome.Line, outcome.User, outcome.Version,
			errors.Is(outcome.Err, client.ErrInvalid))
	}
	// Output:
	// 1 example-import-1 1 false
	// 2 example-import-2 0 true
}

func ExampleLines() {
	// Some users from one service to another; here to itself.
	from, to := connect(), connect()
	defer from.CloseIdleConnections()
	defer to.CloseIdleConnections()
	ctx := context.Background()
	if _, err := from.Put(ctx, "example-lines", json.RawMessage(`{"theme":"dark"}`)); err != nil {
		fmt.Println(err)
	}

	some := func(yield func(client.Settings, error) bool) {
		for s, err := range from.Export(ctx) {
			wanted := err != nil || strings.HasPrefix(s.User, "example-lines")
			if wanted && !yield(s, err) {
				return
			}
		}
	}
	for outcome, err := range to.Import(ctx, client.Lines(some)) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(outcome.User, outcome.Version, outcome.Err)
	}
	// Output: example-lines 2 <nil>
}
