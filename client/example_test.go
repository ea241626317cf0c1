package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/outset-settings/outset/client"
)

// The examples run against a real service, whose address is in the variable service.

func Example() {
	ctx := context.Background()
	c, err := client.New(service)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseIdleConnections()

	s, err := c.Put(ctx, "ann", json.RawMessage(`{"theme":"dark","language":"fr"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Version)

	patch := json.RawMessage(`{"theme":null,"font":{"size":12}}`)
	s, err = c.Patch(ctx, "ann", patch, client.IfMatch(s.ETag))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Version, string(s.Document))

	v, err := c.Value(ctx, "ann", client.Path{"font", "size"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(v.JSON))
	// Output:
	// 1
	// 2 {"language":"fr","font":{"size":12}}
	// 12
}

func ExampleClient_Put() {
	c := connect()
	defer c.CloseIdleConnections()
	ctx := context.Background()

	s, err := c.Put(ctx, "example-put", json.RawMessage(`{"theme":"dark"}`), client.IfAbsent())
	fmt.Println(s.Version, err)

	_, err = c.Put(ctx, "example-put", json.RawMessage(`{"theme":"light"}`), client.IfAbsent())
	var e *client.Error
	if errors.Is(err, client.ErrPrecondition) && errors.As(err, &e) {
		fmt.Printf("there is %s at version %d\n", e.Settings, e.Version)
	}
	// Output:
	// 1 <nil>
	// there is {"theme":"dark"} at version 1
}

func ExampleClient_Update() {
	c := connect()
	defer c.CloseIdleConnections()

	count := func(old json.RawMessage) (json.RawMessage, error) {
		var settings struct {
			Logins int `json:"logins"`
		}
		if err := json.Unmarshal(old, &settings); err != nil {
			return nil, err
		}
		settings.Logins++
		return json.Marshal(settings)
	}
	for range 3 {
		if s, err := c.Update(context.Background(), "example-update", count); err == nil {
			fmt.Println(string(s.Document))
		}
	}
	// Output:
	// {"logins":1}
	// {"logins":2}
	// {"logins":3}
}

func ExampleClient_SetValue() {
	c := connect()
	defer c.CloseIdleConnections()
	ctx := context.Background()

	for _, name := range []string{`"ann"`, `"bob"`} {
		v, err := c.SetValue(ctx, "example-set", client.Path{"friends", "-"}, json.RawMessage(name))
		fmt.Println(v.Path, v.Created, err)
	}
	s, err := c.Get(ctx, "example-set")
	fmt.Println(string(s.Document), err)
	// Output:
	// /friends/0 true <nil>
	// /friends/1 true <nil>
	// {"friends":["ann","bob"]} <nil>
}

func ExampleClient_History() {
	c := connect()
	defer c.CloseIdleConnections()
	ctx := context.Background()

	for _, document := range []string{`{}`, `{"a":1}`, `{"a":22}`} {
		if _, err := c.Put(ctx, "example-history", json.RawMessage(document)); err != nil {
			fmt.Println(err)
		}
	}
	for r, err := range c.History(ctx, "example-history") {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(r.Version, r.Action, r.Size)
	}
	s, err := c.Restore(ctx, "example-history", 2)
	fmt.Println(s.Version, string(s.Document), err)
	// Output:
	// 3 replace 8
	// 2 replace 7
	// 1 replace 2
	// 4 {"a":1} <nil>
}

// connect leaves out of the examples what is the same in all.
func connect() *client.Client {
	c, err := client.New(service)
	if err != nil {
		panic(err)
	}
	return c
}

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
