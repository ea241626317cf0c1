package program

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// grammar has a command with a subcommand, and flags of both sorts.
type grammar struct {
	Get struct {
		User string   `arg:""`
		Path []string `arg:"" optional:""`
		At   int
		Raw  bool `negatable:""`
	} `cmd:""`
	Schema struct {
		Get struct{ Server string } `cmd:""`
	} `cmd:""`
	All struct {
		Words []string `arg:"" optional:"" passthrough:""`
	} `cmd:""`
}

// TestArrange: flags may stand in any place, and negative numbers are no flags.
func TestArrange(t *testing.T) {
	t.Parallel()
	app, err := kong.New(&grammar{})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"":                           "",
		"get 42 a":                   "get -- 42 a",
		"--at 7 get 42":              "get --at=7 -- 42",
		"--raw get 42 --at=7":        "get --raw --at=7 -- 42",
		"get --no-raw 42":            "get --no-raw -- 42",
		"get 42 -5 --at -5":          "get --at=-5 -- 42 -5",
		"get 42 -.5 -":               "get -- 42 -.5 -",
		"get 42 -- --at 5":           "get -- 42 --at 5",
		"get get":                    "get -- get",
		"schema --server a get":      "schema get --server=a",
		"--server get schema get":    "schema get --server=get",
		"--at --raw get 42":          "get --at --raw -- 42", // kong says what is missing
		"--unknown get 42":           "get --unknown -- 42",
		"gett 42 --at 1":             "--at=1 -- gett 42",
		"all --at 1 -- x":            "all --at 1 -- x",
		"get -h":                     "get -h",
		"get 42 --at 7 schema --raw": "get --at=7 --raw -- 42 schema",
	} {
		if got := arrange(app.Model.Node, strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
