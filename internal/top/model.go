package top

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/outset-settings/outset/internal/pool"
)

// window is how long a reading is waited for at most, so that all of a screen is of one time.
const window = 500 * time.Millisecond

// Screen is the pool on a terminal, as it changes.
type Screen struct {
	server   string
	interval time.Duration
	colour   bool
	read     func() reading

	members members
	sample  Sample
	heard   time.Time // when there was last a reading; zero: never
	err     error     // of the last one

	width, height int
	first         int // the index of the first worker that is shown
	order         int // of orders
	paused        bool
	idle          bool // nothing is asked until somebody ends the pause
	help          bool
}

// reading is what was heard from the workers at a time, or why nothing could be.
type reading struct {
	heard []pool.Worker
	at    time.Time
	err   error
}

// again says that it is time for the next reading.
type again struct{}

// NewScreen returns a screen of the workers that a asks each interval. The server is its name for
// people.
func NewScreen(ctx context.Context, a *Asker, server string, interval time.Duration, colour bool,
) *Screen {
	s := &Screen{
		server: server, interval: interval, colour: colour, members: members{patient: true},
		width: 80, height: 24, // until the terminal has told
		read: func() reading {
			heard, err := a.ask(ctx, min(window, interval/2), 0)
			return reading{heard, time.Now(), err}
		},
	}
	s.sample = s.members.sample(time.Now())
	return s
}

// Init asks for the first time.
func (s *Screen) Init() tea.Cmd { return s.ask }

func (s *Screen) ask() tea.Msg { return s.read() }

// Update takes what was heard, or a key.
func (s *Screen) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	next := s.update(message)
	s.first = max(0, min(s.first, len(s.sample.Workers)-max(s.rows(), 1)))
	return s, next
}

func (s *Screen) update(message tea.Msg) tea.Cmd {
	switch m := message.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = m.Width, m.Height
	case tea.KeyPressMsg:
		return s.press(m.String())
	case reading:
		s.take(m)
		return tea.Tick(s.interval-min(window, s.interval/2), func(time.Time) tea.Msg {
			return again{}
		})
	case again:
		if !s.paused {
			return s.ask
		}
		s.idle = true
	}
	return nil
}

// take shows a reading. What can't be asked isn't gone: the workers stay as they were heard last.
func (s *Screen) take(r reading) {
	if s.err = r.err; r.err != nil {
		return
	}
	s.members.take(r.heard, r.at)
	s.heard = r.at
	if !s.paused {
		s.sample = s.members.sample(r.at)
		s.sort()
	}
}

func (s *Screen) sort() { slices.SortFunc(s.sample.Workers, orders[s.order].less) }

// press does what a key is for.
func (s *Screen) press(key string) tea.Cmd {
	switch key {
	case "q", "ctrl+c":
		return tea.Quit
	case "ctrl+z":
		return tea.Suspend
	case "?", "h":
		s.help = !s.help
	case "esc":
		s.help = false
	case "s":
		s.order = (s.order + 1) % len(orders)
		s.sort()
	case "S", "shift+s":
		s.order = (s.order + len(orders) - 1) % len(orders)
		s.sort()
	case "p":
		s.paused = !s.paused
		if s.idle && !s.paused {
			s.idle = false
			return s.ask
		}
	default:
		s.scroll(key)
	}
	return nil
}

// scroll moves the table of workers.
func (s *Screen) scroll(key string) {
	page := max(s.rows(), 1)
	switch key {
	case "down", "j":
		s.first++
	case "up", "k":
		s.first--
	case "pgdown", "space":
		s.first += page
	case "pgup":
		s.first -= page
	case "home", "g":
		s.first = 0
	case "end", "G", "shift+g":
		s.first = len(s.sample.Workers)
	}
}
