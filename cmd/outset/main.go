// Command outset is Outset for people. It runs the whole system in one process, shows the workers
// of a running one, and reads and changes settings from the command line.
package main

import (
	"os"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/program"
)

func main() { os.Exit(program.Main("outset", description, &cli{})) }

const description = `Outset keeps the settings of an application's users.

Exit codes:

	0    success; also up and watch, which end with Ctrl-C
	1    any other error, such as a file that can't be read
	2    the command line can't be understood
	3    the settings, the value or the version was not found
	4    a precondition failed (--if-match)
	5    the document or the change is invalid, or the idempotency key was used for another change
	6    the service is unavailable, or the outcome of a change is unknown
	7    the token is missing, not valid, or may not do this
	130  interrupted`

type cli struct {
	VersionFlag kong.VersionFlag `name:"version" help:"print the version and exit"`

	Bare    bare    `cmd:"" default:"1" hidden:"" help:"what outset does without a command"`
	Help    help    `cmd:"" help:"print the help of outset or of a command"`
	Version version `cmd:"" help:"print the version"`

	Up      up         `cmd:"" group:"The service:" help:"run the whole system: NATS, Postgres, workers and the API"`
	Top     topCommand `cmd:"" group:"The service:" help:"show the live workers and what they do"`
	Migrate migrate    `cmd:"" group:"The service:" help:"make or migrate the tables of the database"`

	Get     get           `cmd:"" group:"A user's settings:" help:"print settings, or one of their values"`
	Set     set           `cmd:"" group:"A user's settings:" help:"set one value, or all settings"`
	Edit    edit          `cmd:"" group:"A user's settings:" help:"change settings in an editor"`
	Unset   unset         `cmd:"" group:"A user's settings:" help:"remove one value"`
	Patch   patch         `cmd:"" group:"A user's settings:" help:"change settings by a merge patch or a JSON Patch"`
	Delete  deleteCommand `cmd:"" group:"A user's settings:" help:"delete settings, or everything about the user"`
	History history       `cmd:"" group:"A user's settings:" help:"list the versions of settings"`
	Restore restore       `cmd:"" group:"A user's settings:" help:"make an old version current again"`
	Watch   watch         `cmd:"" group:"A user's settings:" help:"print each change as it happens"`

	Users  users         `cmd:"" group:"All users:" help:"list the users who have settings"`
	Import importCommand `cmd:"" group:"All users:" help:"set the settings of many users"`
	Export export        `cmd:"" group:"All users:" help:"save the settings of all users"`
	Schema schema        `cmd:"" group:"All users:" help:"read, set and check the JSON Schema of settings"`

	Token token `cmd:"" group:"The service:" help:"make, list and revoke the tokens of programs"`

	Completion completion `cmd:"" group:"The service:" help:"print the script that completes commands in a shell"`
	Complete   complete   `cmd:"" hidden:"" help:"print the completions of the last word, for that script"`
}
