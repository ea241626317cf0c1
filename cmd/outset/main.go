// Command outset is Outset for people: it runs the whole system in one process, looks at one that
// runs, and reads and changes settings from the command line.
package main

import (
	"os"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/program"
)

func main() { os.Exit(program.Main("outset", description, &cli{})) }

const description = `Outset keeps the settings of an application's users.

The exit code is 0 if all went well, 2 if the command makes no sense, 3 if there is no such thing, 4 if a precondition failed (--if-version), 5 if the document or the change is not valid or the idempotency key was used for another one, 6 if the service is not there or it isn't known whether a change was made, 130 if it was interrupted (up and watch, which end so: 0), and 1 for anything else, such as a file that can't be read.`

type cli struct {
	Version kong.VersionFlag `help:"print the version and exit"`

	Up      up      `cmd:"" group:"The service:" help:"run the whole system: NATS, Postgres, workers and the API"`
	Workers workers `cmd:"" group:"The service:" help:"list the live workers"`

	Get     get           `cmd:"" group:"A user's settings:" help:"print settings, or one value of them"`
	Set     set           `cmd:"" group:"A user's settings:" help:"set one value, or all settings"`
	Unset   unset         `cmd:"" group:"A user's settings:" help:"remove one value"`
	Patch   patch         `cmd:"" group:"A user's settings:" help:"change settings by a merge patch or a JSON patch"`
	Delete  deleteCommand `cmd:"" group:"A user's settings:" help:"delete settings, or all that is known of the user"`
	History history       `cmd:"" group:"A user's settings:" help:"list the versions that settings have had"`
	Restore restore       `cmd:"" group:"A user's settings:" help:"make an old version current again"`
	Watch   watch         `cmd:"" group:"A user's settings:" help:"print each change as it happens"`

	Users  users         `cmd:"" group:"All users:" help:"list the users who have settings"`
	Import importCommand `cmd:"" group:"All users:" help:"set the settings of many users"`
	Export export        `cmd:"" group:"All users:" help:"save the settings of all users"`
	Schema schema        `cmd:"" group:"All users:" help:"say what settings must be like"`

	Completion completion `cmd:"" group:"The service:" help:"print a script that completes commands in a shell"`
	Complete   complete   `cmd:"" hidden:"" help:"print what may stand in the place of the last word; for that script"`
}
