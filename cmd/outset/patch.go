package main

import (
	"bytes"
	"context"
	"io"

	"github.com/outset-settings/outset/client"
)

// patch changes parts of a document.
type patch struct {
	remote
	conditions
	User  string `arg:"" help:"the user's id"`
	Patch string `arg:"" help:"the patch; - reads it from standard input"`
	Type  string `enum:"auto,merge,json" default:"auto" placeholder:"TYPE" help:"merge (RFC 7396), json (RFC 6902), or auto: json if the patch is a list"`
}

// Help has examples.
func (patch) Help() string {
	return `A patch keeps the bytes of what it doesn't change.

	outset patch 42 '{"theme":null,"font":{"size":12}}'
	outset patch 42 '[{"op":"test","path":"/theme","value":"dark"},{"op":"remove","path":"/font"}]'
	outset patch 42 - < change.json
`
}

// Run changes the settings and prints the version.
func (p patch) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	content, err := argument(ctx, p.Patch, stdin)
	if err != nil {
		return err
	}
	list := bytes.HasPrefix(bytes.TrimSpace(content.RawMessage), []byte("["))
	return p.write(stdout, p.User, func(c *client.Client) (int64, error) {
		change := c.Patch
		if p.Type == "json" || p.Type == "auto" && list {
			change = c.PatchJSON
		}
		s, err := change(ctx, p.User, content.RawMessage, p.options()...)
		return s.Version, content.about(err)
	})
}
