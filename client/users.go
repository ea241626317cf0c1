package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// UsersOptions choose what [Client.Users] yields. nil is all users, without their documents.
type UsersOptions struct {
	// yield the documents, too, byte for byte but for white space around them
	Include      bool
	UpdatedSince time.Time // only users whose settings have changed at this time or later
	PageSize     int       // users in one request, at most 500; 0: as the service likes
}

// Users returns the users who have a document, in the order of their ids as bytes. It asks for page
// after page as far as the loop goes; who changes meanwhile is there as of their page. An error is
// the last that it yields.
func (c *Client) Users(ctx context.Context, options *UsersOptions) iter.Seq2[Settings, error] {
	return func(yield func(Settings, error) bool) {
		o := Operation{method: http.MethodGet, path: "/users" + options.query(), answer: jsonType}
		err := c.pages(ctx, o, func(body []byte) (bool, error) {
			var page struct {
				Users []line `json:"users"`
			}
			if err := decode(body, &page); err != nil {
				return false, err
			}
			for _, user := range page.Users {
				if !yield(user.settings(), nil) {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil {
			yield(Settings{}, err)
		}
	}
}

func (o *UsersOptions) query() string {
	q := make(url.Values)
	if o != nil && o.Include {
		q.Set("include", "settings")
	}
	if o != nil && !o.UpdatedSince.IsZero() {
		q.Set("updated_since", o.UpdatedSince.Format(time.RFC3339Nano))
	}
	if o != nil && o.PageSize > 0 {
		q.Set("limit", strconv.Itoa(o.PageSize))
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// line is a user in a list and in an export, where a document that has line breaks or white space
// around it is text.
type line struct {
	User     string          `json:"user"`
	Version  int64           `json:"version"`
	Time     time.Time       `json:"time"`
	Settings json.RawMessage `json:"settings"`
	Text     *string         `json:"text"`
}

func (l *line) settings() Settings {
	s := Settings{
		User: l.User, Document: l.Settings, Version: l.Version, Modified: l.Time,
		ETag: tag(l.Version),
	}
	if l.Text != nil {
		s.Document = json.RawMessage(*l.Text)
	}
	return s
}

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
