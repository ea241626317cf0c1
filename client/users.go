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

// UsersOptions choose what [Client.Users] yields. nil stands for all users without their documents.
type UsersOptions struct {
	// Include yields the documents, too, byte for byte but for white space around them.
	Include bool
	// UpdatedSince leaves out users whose settings have not changed at this time or later. With it
	// those come, too, whose settings were deleted since, or who were erased.
	UpdatedSince time.Time
	// PageSize is the number of users in one request, at most 500. 0 leaves it to the service.
	PageSize int
}

// Users yields the users who have a document, and with UpdatedSince those who lost theirs, in the
// order of their ids as bytes. It reads page after page as far as the loop goes, each as it is at
// that moment. An error is the last that it yields.
func (c *Client) Users(ctx context.Context, options *UsersOptions) iter.Seq2[Settings, error] {
	return func(yield func(Settings, error) bool) {
		o := Operation{method: http.MethodGet, path: "/users" + options.query(), answer: jsonType}
		err := c.pages(ctx, o, func(body []byte) (bool, error) {
			var page struct {
				Users []userLine `json:"users"`
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

// userLine is a user in a page of users and in an export. A document that has line breaks or white
// space around it is in Text instead of Settings.
type userLine struct {
	User     string          `json:"user"`
	Version  int64           `json:"version"`
	ETag     string          `json:"etag"`
	Time     time.Time       `json:"time"`
	Settings json.RawMessage `json:"settings"`
	Text     *string         `json:"text"`
	Deleted  bool            `json:"deleted"`
	Erased   int64           `json:"erasedVersion"`
}

func (l *userLine) settings() Settings {
	s := Settings{
		User: l.User, Document: l.Settings, Version: l.Version, Modified: l.Time,
		ETag: l.ETag, Deleted: l.Deleted, Erased: l.Erased,
	}
	if l.Text != nil {
		s.Document = json.RawMessage(*l.Text)
	}
	return s
}

// pages gives take one page after the other, until it returns false or a page has no link to the
// next. The query of the first page holds for the others, too.
func (c *Client) pages(
	ctx context.Context, o Operation, take func(page []byte) (more bool, err error),
) error {
	path, rawQuery, _ := strings.Cut(o.path, "?")
	query, err := url.ParseQuery(rawQuery)
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
		next, err := c.resolve(&o, link.Next)
		if err != nil {
			return err
		}
		query = nextQuery(query, next)
	}
}

// nextQuery returns the query of a link to the next page, with what only the current query has.
func nextQuery(current url.Values, link *url.URL) url.Values {
	next := link.Query()
	for name, values := range current {
		if !next.Has(name) {
			next[name] = values
		}
	}
	return next
}

// decode reads an answer that is JSON.
func decode(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("outset: an answer that can't be understood: %w", err)
	}
	return nil
}
