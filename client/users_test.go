package client_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outset-settings/outset/client"
)

// saved puts a document for each of n users, "u000" and so on, and returns them in their order.
func saved(t *testing.T, c *client.Client, n int) map[string]string {
	t.Helper()
	documents := make(map[string]string)
	for i := range n {
		user := fmt.Sprintf("u%03d", i)
		documents[user] = fmt.Sprintf(`{"n":%d}`, i)
		if i%7 == 3 {
			documents[user] = fmt.Sprintf(" {\r\n\"n\" : %d.0}\t", i)
		}
		if _, err := c.Put(t.Context(), user, raw(documents[user])); err != nil {
			t.Fatal(err)
		}
	}
	return documents
}

// included is how a document comes with its user.
type included int

const (
	without included = iota
	inside
	exact
)

// check compares users that come one by one with what was saved.
func check(t *testing.T, want map[string]string, kind included, got client.Settings, err error) {
	t.Helper()
	document := want[got.User]
	switch kind {
	case without:
		document = ""
	case inside: // another document, where white space around it can't be told from that one's
		document = strings.TrimSpace(document)
	}
	if err != nil || string(got.Document) != document || got.Version != 1 || got.ETag != `"1"` || time.Since(got.Modified) > time.Minute {
		t.Fatalf("%+v (%s), %v; want %q", got, got.Document, err, document)
	}
}

// TestUsers: pages of every size are all users in order, with and without their documents.
func TestUsers(t *testing.T) {
	t.Parallel()
	c := to(t, newSystem(t).base)
	for s, err := range c.Users(t.Context(), nil) {
		t.Error("there is a user", s, err)
	}
	want := saved(t, c, 40)
	if _, err := c.Put(t.Context(), "deleted", raw(`{}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Delete(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	for _, options := range []*client.UsersOptions{
		nil,
		{Include: true},
		{PageSize: 7},
		{PageSize: 40, Include: true},
		{UpdatedSince: time.Now().Add(-time.Hour), PageSize: 11},
	} {
		var users []string
		kind := without
		if options != nil && options.Include {
			kind = inside
		}
		for s, err := range c.Users(t.Context(), options) {
			check(t, want, kind, s, err)
			users = append(users, s.User)
		}
		if len(users) != len(want) || !slices.IsSorted(users) {
			t.Errorf("%+v: %q", options, users)
		}
	}
	for s, err := range c.Users(
		t.Context(), &client.UsersOptions{UpdatedSince: time.Now().Add(time.Hour)},
	) {
		t.Error("of the future:", s, err)
	}
	n := 0
	for _, err := range c.Users(t.Context(), &client.UsersOptions{PageSize: 5}) {
		if n++; n == 7 || err != nil {
			break
		}
	}
	if n != 7 {
		t.Errorf("it ended after %d", n)
	}
	if err := lastError(c.Users(t.Context(), &client.UsersOptions{PageSize: 501})); err == nil ||
		!strings.Contains(err.Error(), "limit") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lastError(c.Users(ctx, nil)); err == nil {
		t.Error("it went on")
	}
}

// TestExport: all users, byte for byte, in both ways.
func TestExport(t *testing.T) {
	t.Parallel()
	c := to(t, newSystem(t).base)
	var nobody bytes.Buffer
	if users, err := c.ExportTo(t.Context(), &nobody); users != 0 || err != nil || nobody.String() != `{"end":true,"users":0}`+"\n" {
		t.Errorf("%d users, %v: %s", users, err, &nobody)
	}
	want := saved(t, c, 30)
	n := 0
	for s, err := range c.Export(t.Context()) {
		check(t, want, exact, s, err)
		n++
	}
	if n != len(want) {
		t.Errorf("%d users", n)
	}
	var b bytes.Buffer
	users, err := c.ExportTo(t.Context(), &b)
	if users != int64(len(want)) || err != nil || !strings.HasSuffix(b.String(), "\n"+`{"end":true,"users":30}`+"\n") {
		t.Errorf("%d users, %v: %s", users, err, &b)
	}
}
