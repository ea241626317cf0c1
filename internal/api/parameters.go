package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// The parameters of a route are those that openapi.json lists, and no others: whoever misspells one
// must not get the answer to another question. PUT /schema?dryRun=true would put a schema in force.

// parameter is a parameter in openapi.json, or a reference to one.
type parameter struct {
	Ref  string `json:"$ref"`
	Name string `json:"name"`
	In   string `json:"in"`
}

// description is what is read of openapi.json.
type description struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Parameters map[string]parameter `json:"parameters"`
	} `json:"components"`
}

func readDescription() (d description, err error) {
	err = json.Unmarshal(openAPI, &d)
	return d, err
}

// query returns the names of the parameters that the query of a route may have. A route that is not
// described is an error, so it can't be forgotten.
func (d *description) query(method, path string) ([]string, error) {
	if method == fiber.MethodHead {
		method = fiber.MethodGet
	}
	item := d.Paths[templateOf(path)]
	text, ok := item[strings.ToLower(method)]
	if !ok {
		return nil, fmt.Errorf("%s %s is not in openapi.json", method, path)
	}
	var operation struct {
		Parameters []parameter `json:"parameters"`
	}
	var shared []parameter // by all methods of the path
	err := json.Unmarshal(text, &operation)
	if text := item["parameters"]; err == nil && text != nil {
		err = json.Unmarshal(text, &shared)
	}
	var names []string
	for _, p := range append(shared, operation.Parameters...) {
		if p.Ref != "" {
			p = d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
		}
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return names, err
}

var routeParameter = regexp.MustCompile(`:(\w+)`)

// templateOf is a route's path as OpenAPI has it.
func templateOf(path string) string {
	return strings.Replace(routeParameter.ReplaceAllString(path, "{$1}"), "*", "{path}", 1)
}

// checkQuery lets requests through whose queries have these parameters only, each once.
func checkQuery(known []string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if len(c.Context().URI().QueryString()) == 0 { // nearly always
			return c.Next()
		}
		if err := checkNames(c, known); err != nil {
			err = problem{kind: messages.KindMalformed, detail: messages.Detail(err.Error())}
			if readsItsBody(c) {
				endAfter(c)
			}
			return err
		}
		return c.Next()
	}
}

func checkNames(c *fiber.Ctx, known []string) error {
	var seen []string
	for key, value := range c.Context().QueryArgs().All() {
		switch name := string(key); {
		case !slices.Contains(known, name):
			return errors.New(unknown("parameter", name, known))
		case slices.Contains(seen, name):
			return fmt.Errorf("the parameter %s occurs more than once", name)
		case len(value) == 0: // or it would count as missing
			return fmt.Errorf("the parameter %s has no value", name)
		default:
			seen = append(seen, name)
		}
	}
	return nil
}
