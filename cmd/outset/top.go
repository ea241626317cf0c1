package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/internal/program"
	"github.com/outset-settings/outset/internal/top"
	"github.com/outset-settings/outset/pkg/messages"
)

// topCommand shows the live workers and what they do, which it asks them over NATS.
type topCommand struct {
	program.NATS
	Data     string        `env:"OUTSET_DATA" placeholder:"DIR" help:"data directory of outset up on this machine, whose key is used without NATS_NKEY and NATS_CREDS (default: as for outset up)"`
	Interval time.Duration `default:"2s" placeholder:"DURATION" help:"how often the workers are asked, and the time that rates are of; from 100ms to 1m"`
	Once     bool          `help:"print what they do within one interval, and end"`
	JSON     bool          `name:"json" help:"with --once: print JSON"`
}

// Help has examples.
func (topCommand) Help() string {
	return `Keys: q quits, s sorts by another column, p pauses, ? explains the columns.

	outset top
	outset top --interval 500ms
	outset top --once --json
`
}

// Validate is called by kong.
func (t topCommand) Validate() error {
	switch {
	case t.Interval < 100*time.Millisecond || t.Interval > time.Minute:
		return errors.New("--interval must be from 100ms to 1m")
	case t.JSON && !t.Once:
		return errors.New("--json needs --once")
	}
	return nil
}

// Run shows the workers until ctx ends or somebody quits; with --once it prints them, and fails if
// there are none.
func (t topCommand) Run(ctx context.Context, stdout io.Writer) error {
	if err := t.Check(); err != nil {
		return program.Usage(err)
	}
	if !t.Once {
		if err := canDraw(); err != nil {
			return program.Usage(err)
		}
	}
	asker := &top.Asker{Dial: t.dial}
	if err := asker.Connect(); err != nil {
		return err
	}
	if t.Once {
		defer asker.Close()
		return t.once(ctx, asker, stdout)
	}
	screen := top.NewScreen(ctx, asker, t.String(), t.Interval, program.HasColour(os.Stdout))
	// A question may still be under way when the screen ends, so it is the end of the process that
	// closes the connection. Signals end ctx, which quits as q does: with tea.WithContext the reader
	// of the terminal is closed while it may still read.
	drawn := tea.NewProgram(screen, tea.WithoutSignalHandler())
	defer context.AfterFunc(ctx, drawn.Quit)()
	_, err := drawn.Run()
	return err
}

// canDraw returns why there is no screen to draw on.
func canDraw() error {
	if term := os.Getenv("TERM"); !isTerminal(os.Stdin) || !isTerminal(os.Stdout) || term == "" ||
		term == "dumb" {
		return errors.New("this is not a terminal that can be drawn on; --once prints the workers")
	}
	return nil
}

func (t topCommand) once(ctx context.Context, asker *top.Asker, stdout io.Writer) error {
	sample, err := asker.Once(ctx, t.Interval)
	if err != nil {
		return err
	}
	if t.JSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(sample)
	} else if len(sample.Workers) > 0 {
		_, err = io.WriteString(stdout, sample.Text())
	}
	if err == nil && len(sample.Workers) == 0 {
		err = errors.New("no worker answers")
	}
	return err
}

// dial connects as what the settings say, or else as an operator of the `outset up` that runs at
// this address, if its key is there. A key that was left behind is no reason to fail.
func (t topCommand) dial() (*nats.Conn, error) {
	if key := t.savedKey(); key != "" {
		saved := t
		saved.NKey = key
		if nc, err := saved.dialAs(); err == nil {
			return nc, nil
		}
	}
	return t.dialAs()
}

func (t topCommand) savedKey() string {
	if t.Refused() != "" { // so the settings say who we are
		return ""
	}
	data, err := dataDir(t.Data)
	if err != nil {
		return ""
	}
	return localnats.SavedKey(data, localnats.Operator, t.URL)
}

// refused tells as whom we were refused, and what to do about it.
func (t topCommand) refused() string {
	if why := t.Refused(); why != "" {
		return visible(why)
	}
	const advice = "set NATS_NKEY to the key of an operator, or say with --data where its outset up " +
		"keeps its data"
	data, err := dataDir(t.Data)
	if err != nil {
		return "no key was found; " + advice
	}
	if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) {
		return "there is no directory " + visible(data) + "; " + advice
	}
	return "in " + visible(data) + " is no key of that server; " + advice
}

// dialAs connects for as long as the connection lasts. One whose server doesn't answer ends soon.
func (t topCommand) dialAs() (*nats.Conn, error) {
	options, err := t.Options()
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(t.URL, append(options, nats.Name("outset top"), nats.NoReconnect(),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2),
		// Else it prints what Asker returns, in the midst of the screen.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
		nats.CustomInboxPrefix(messages.OperatorInbox))...)
	if err != nil {
		if errors.Is(err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("NATS at %s: %w: %s", t.NATS, err, t.refused())
		}
		return nil, fmt.Errorf("NATS at %s: %w", t.NATS, err)
	}
	return nc, nil
}
