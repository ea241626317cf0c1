package top

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/outset-settings/outset/internal/pool"
)

var update = flag.Bool("update", false, "write what the screens in testdata show, instead of comparing")

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// tells is what the worker with this number tells when it has run for so long. The higher the
// number the more it does and the slower it is.
func tells(number int, up time.Duration) pool.Worker {
	seconds := int(up / time.Second)
	n, all := uint64(number), uint64(number*seconds)
	return pool.Worker{
		ID: fmt.Sprintf("W%03dABCDEFGHIJKLMNOP", number), Host: fmt.Sprintf("host-%d", number),
		PID: "4242", Version: "1.2.3", Started: noon.Add(time.Duration(number) * time.Second),
		State: pool.Serving,
		Endpoints: []pool.Endpoint{{
			Name: "read", Requests: 100 * number * seconds,
			EndpointData: pool.EndpointData{
				Up: up, Latencies: slower(number, 100*all),
				Queue: pool.Queue{
					Lanes: 4, Busy: up / 4 * time.Duration(number%16), Batches: 50 * all,
					Operations: 100 * all,
				},
			},
		}, {
			Name: "write", Requests: 10 * number * seconds, Errors: number * seconds / 64,
			EndpointData: pool.EndpointData{
				Up: up, InFlight: int64(number), Latencies: slower(number+8, 10*all),
				Queue: pool.Queue{
					Lanes: 4, Busy: up, Batches: 10 * all, Operations: 10 * all, Waiting: number,
					Refused: n * uint64(seconds) / 32,
					Oldest:  time.Duration(number) * 10 * time.Millisecond,
				},
			},
		}},
	}
}

// slower are operations that all took as long, the longer the higher the number.
func slower(number int, operations uint64) (l pool.Latencies) {
	l[min(number+8, len(l)-1)] = operations
	return l
}

// newScreen returns a screen that has read nothing.
func newScreen() *Screen {
	return NewScreen(context.Background(), nil, "nats://127.0.0.1:4222", 2*time.Second, false)
}

// seen returns a screen of this size that has read what the workers with these numbers have told.
func seen(width, height int, numbers ...int) *Screen {
	s := newScreen()
	s.Update(tea.WindowSizeMsg{Width: width, Height: height})
	s.hear(0, numbers...)
	s.hear(1, numbers...)
	return s
}

// hear has the workers with these numbers told, in the reading with this number.
func (s *Screen) hear(number int, numbers ...int) {
	at := time.Duration(number) * s.interval
	s.Update(reading{heard: heardOf(time.Hour+at, numbers...), at: noon.Add(at)})
}

func (s *Screen) typed(keys ...string) *Screen {
	for _, k := range keys {
		s.Update(tea.KeyPressMsg{Text: k, Code: []rune(k)[0]})
	}
	return s
}

func upTo(n int) (numbers []int) {
	for i := range n {
		numbers = append(numbers, i+1)
	}
	return numbers
}

// inEveryState has one worker in each state.
func inEveryState(s *Screen) *Screen {
	heard := heardOf(time.Hour+4*time.Second, 1, 2, 3)
	heard[0].State, heard[1].State = pool.Draining, pool.NoDatabase
	s.Update(reading{heard: heard, at: noon})
	s.Update(reading{heard: heard, at: noon})
	return s
}

// TestScreens compares what terminals of several sizes show with the files in testdata.
func TestScreens(t *testing.T) {
	t.Parallel()
	lost := seen(80, 24, upTo(4)...)
	lost.Update(reading{err: errors.New("NATS at nats://127.0.0.1:4222: connection refused")})
	for name, s := range map[string]*Screen{
		"first":        newScreen(),
		"nobody":       seen(80, 24),
		"80x24":        seen(80, 24, upTo(4)...),
		"wide":         seen(200, 24, upTo(4)...),
		"narrow":       seen(40, 20, upTo(4)...),
		"low":          seen(80, 8, upTo(64)...).typed("G"),
		"64":           seen(80, 24, upTo(64)...),
		"64-scrolled":  seen(80, 24, upTo(64)...).typed("j", "j", " "),
		"64-tall":      seen(80, 60, upTo(64)...),
		"by-p99":       seen(80, 24, upTo(64)...).typed("s", "s", "s", "s"),
		"states":       inEveryState(seen(80, 24, upTo(4)...)),
		"lost":         lost,
		"paused":       seen(80, 24, upTo(4)...).typed("p"),
		"help":         seen(80, 24, upTo(4)...).typed("?"),
		"tiny":         seen(10, 3, upTo(4)...),
		"without-room": seen(1, 1, upTo(4)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.View().Content
			lines := strings.Split(got, "\n")
			if len(lines) > s.height {
				t.Errorf("%d lines in a terminal of %d", len(lines), s.height)
			}
			for i, l := range lines {
				if utf8.RuneCountInString(l) > s.width {
					t.Errorf("%q is wider than %d", l, s.width)
				}
				lines[i] = strings.TrimRight(l, " ")
			}
			golden(t, name, strings.Join(lines, "\n")+"\n")
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("%v; it shows\n%s\nwant (-update accepts it)\n%s", err, got, want)
	}
}
