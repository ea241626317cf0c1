package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// pages reads an answer, and those that its member "next" leads to, and gives each to take until
// that returns false. What was asked for once is asked for on each page.
func (c *Client) pages(
	ctx context.Context, o Operation, take func(page []byte) (more bool, err error),
) error {
	path, asked, _ := strings.Cut(o.path, "?")
	query, err := url.ParseQuery(asked)
	if err != nil {
		return fmt.Errorf("outset: %w", err)
	}
	for {
		o.path = path
		if len(query) > 0 {
			o.path += "?" + query.Encode()
		}
		a, err := c.do(ctx, &o)
		if err != nil {
			return err
		}
		if more, err := take(a.body); err != nil || !more {
			return err
		}
		var link struct {
			Next string `json:"next"`
		}
		if err := decode(a.body, &link); err != nil || link.Next == "" {
			return err
		}
		if query, err = following(query, link.Next); err != nil {
			return err
		}
	}
}

// following is a query with what a link to the next page changes in it.
func following(query url.Values, next string) (url.Values, error) {
	u, err := url.Parse(next)
	if err != nil {
		return nil, fmt.Errorf("outset: the link to the next page: %w", err)
	}
	changed := u.Query()
	for name, values := range query {
		if !changed.Has(name) {
			changed[name] = values
		}
	}
	return changed, nil
}

// decode reads an answer that is JSON.
func decode(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("outset: an answer that can't be understood: %w", err)
	}
	return nil
}
