//go:build unix

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/program"
)

// TestConfigurationTable: the table of docs/configuration.md has every variable with its
// default, and none that isn't there. `up` takes all that the other programs do.
func TestConfigurationTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}

	_, table, _ := strings.Cut(string(page), "\n| variable |")
	rows := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| (`[A-Z_`, ]+) \\|(.*)$").FindAllStringSubmatch(table, -1) {
		for _, name := range regexp.MustCompile("[A-Z_]+").FindAllString(row[1], -1) {
			rows[name] = row[2]
		}
	}
	parser, err := program.Parser("outset", "", &cli{})
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			for _, name := range flag.Envs {
				known[name] = true
				if row, ok := rows[name]; !ok || !strings.Contains(row, flag.Default) {
					t.Errorf("%s with the default %q is not in docs/configuration.md: %q", name, flag.Default,
						row)
				}
			}
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range rows {
		if !known[name] {
			t.Errorf("docs/configuration.md has %s, which no program reads", name)
		}
	}
}
