package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/outset-settings/outset/client"
)

// schema has the commands about the schema.
type schema struct {
	Get    schemaGet    `cmd:"" help:"print the schema"`
	Set    schemaSet    `cmd:"" help:"set the schema; settings that violate it can no longer be saved"`
	Delete schemaDelete `cmd:"" help:"remove the schema, so that any settings can be saved"`
	Check  schemaCheck  `cmd:"" help:"list saved settings that violate a schema"`
}

// Help has examples.
func (schema) Help() string {
	return `A schema is a JSON Schema: draft 2020-12, or draft 7 if $schema names it. It must not refer to
other documents.

	outset schema get > schema.json
	outset schema check schema.json && outset schema set schema.json
	outset schema delete
`
}

type schemaGet struct{ remote }

// Run prints the schema: indented for people, byte for byte for programs.
func (s schemaGet) Run(ctx context.Context, stdout io.Writer) error {
	return s.with(func(c *client.Client) error {
		got, err := c.Schema(ctx)
		if err != nil {
			return err
		}
		return s.print(stdout, got.JSON)
	})
}

type schemaSet struct {
	remote
	conditions
	File string `arg:"" help:"the file with the schema; - is standard input"`
}

// Run sets the schema and prints its version.
func (s schemaSet) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	content, err := fileOr(ctx, s.File, stdin)
	if err != nil {
		return err
	}
	return s.write(stdout, "", func(c *client.Client) (int64, error) {
		set, err := c.PutSchema(ctx, content.RawMessage, s.conditions.options()...)
		return set.Version, content.about(err)
	})
}

type schemaDelete struct {
	remote
	conditions
}

// Run removes the schema and prints its version.
func (s schemaDelete) Run(ctx context.Context, stdout io.Writer) error {
	return s.write(stdout, "", func(c *client.Client) (int64, error) {
		deleted, err := c.DeleteSchema(ctx, s.options()...)
		return deleted.Version, err
	})
}

type schemaCheck struct {
	remote
	File string `arg:"" help:"the file with the schema; - is standard input"`
}

// brokenError is the error of a check that has found violations.
type brokenError struct{ client.Check }

func (b brokenError) Error() string {
	return fmt.Sprintf("the settings of %d of %s violate the schema", b.Broken,
		count(b.Checked, "user"))
}

func (b brokenError) Is(target error) bool { return target == client.ErrViolation }

// Run prints how many settings violate the schema, with examples. If there are any it fails.
func (s schemaCheck) Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	content, err := fileOr(ctx, s.File, stdin)
	if err != nil {
		return err
	}
	return s.with(func(c *client.Client) error {
		check, err := c.CheckSchema(ctx, content.RawMessage)
		if err != nil {
			return content.about(err)
		}
		if s.json(stdout) {
			err = printJSON(stdout, check)
		} else {
			err = tellCheck(stdout, check)
		}
		if err == nil && check.Broken > 0 {
			err = brokenError{check}
		}
		return err
	})
}

func tellCheck(w io.Writer, check client.Check) error {
	var err error
	say := func(format string, v ...any) {
		_, failed := io.WriteString(w, visible(fmt.Sprintf(format+"\n", v...)))
		err = errors.Join(err, failed)
	}
	for _, user := range check.Examples {
		say("%s, version %d", user.User, user.Version)
		for _, v := range user.Violations {
			say("  %s: %s", location(v.Pointer), v.Reason)
		}
	}
	if more := check.Broken - int64(len(check.Examples)); more > 0 {
		say("and %d more", more)
	}
	if check.Broken == 0 {
		say("no violations in the settings of %s", count(check.Checked, "user"))
	}
	return err
}
