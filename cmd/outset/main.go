// Command outset is Outset for people: it runs the whole system in one process, and
// looks at one that runs.
package main

import (
	"os"

	"github.com/outset-settings/outset/internal/program"
)

func main() {
	os.Exit(program.Main("outset", "Outset keeps the settings of an application's users.", &cli{}))
}

type cli struct {
	program.Common

	Up      up      `cmd:"" help:"run the whole system: NATS, Postgres, workers and the API"`
	Workers workers `cmd:"" help:"list the live workers"`
}
