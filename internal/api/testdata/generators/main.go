// Command generators asks the API at an address for a document through clients that two generators
// have made of openapi.json.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"generators/oapi"
	"generators/og"
)

func main() {
	base := os.Args[1]
	if err := errors.Join(askOapiCodegen(base), askOgen(base)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func askOapiCodegen(base string) error {
	c, err := oapi.NewClientWithResponses(base)
	if err != nil {
		return err
	}
	ctx := context.Background()
	put, err := c.PutSettingsWithBodyWithResponse(ctx, "oapi", &oapi.PutSettingsParams{}, "application/json",
		strings.NewReader(`{"theme":"dark"}`))
	if err != nil || put.StatusCode() >= 300 {
		return fmt.Errorf("oapi-codegen: %v %w", put, err)
	}
	got, err := c.GetSettingsWithResponse(ctx, "oapi", &oapi.GetSettingsParams{})
	if err != nil || got.JSON200 == nil {
		return fmt.Errorf("oapi-codegen: %v %w", got, err)
	}
	return print("oapi-codegen", got.HTTPResponse.Header.Get("ETag"), got.JSON200)
}

// noTokens is for an API that asks for none.
type noTokens struct{}

func (noTokens) EventsCookie(context.Context, og.OperationName) (og.EventsCookie, error) {
	return og.EventsCookie{APIKey: "none"}, nil
}

func (noTokens) Service(context.Context, og.OperationName) (og.Service, error) {
	return og.Service{Token: "none"}, nil
}

func (noTokens) User(context.Context, og.OperationName) (og.User, error) {
	return og.User{Token: "none"}, nil
}

func askOgen(base string) error {
	c, err := og.NewClient(base, noTokens{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	document := og.Document{"theme": []byte(`"light"`)}
	if _, err := c.PutSettings(ctx, document, og.PutSettingsParams{ID: "ogen"}); err != nil {
		return fmt.Errorf("ogen: %w", err)
	}
	got, err := c.GetSettings(ctx, og.GetSettingsParams{ID: "ogen"})
	if err != nil {
		return fmt.Errorf("ogen: %w", err)
	}
	found, ok := got.(*og.DocumentHeaders)
	if !ok {
		return fmt.Errorf("ogen: the answer is %T", got)
	}
	return print("ogen", found.ETag, found.Response)
}

func print(generator string, etag, document any) error {
	text, err := json.Marshal(document)
	fmt.Println(generator, etag, string(text))
	return err
}
