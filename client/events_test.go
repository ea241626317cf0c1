package client

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// readAll reads events to the end of the stream.
func readAll(r io.Reader) (events []event, retry time.Duration, err error) {
	reader := newEventReader(r)
	for {
		e, err := reader.next()
		if err != nil {
			return events, reader.retry, err
		}
		events = append(events, e)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stream string
		want   []string // name=data
	}{
		"nothing":            {"", nil},
		"one":                {"event: changed\nid: 7\ndata: {}\n\n", []string{"changed={}"}},
		"no name":            {"data: x\n\n", []string{"=x"}},
		"no space":           {"event:a\ndata:x\n\n", []string{"a=x"}},
		"one space is taken": {"data:  x\n\n", []string{"= x"}},
		"several lines":      {"data: a\ndata: b\ndata\n\n", []string{"=a\nb\n"}},
		"empty data":         {"data\n\ndata:\n\n", []string{"=", "="}},
		"comments":           {": heartbeat\n\n:\ndata: x\n: more\n\n", []string{"=x"}},
		"no data, no event":  {"event: a\n\ndata: x\n\n", []string{"=x"}},
		"cut off":            {"data: x\n\ndata: y\n", []string{"=x"}},
		"CR LF": {
			"event: a\r\ndata: x\r\n\r\ndata: y\r\n\r\n",
			[]string{"a=x", "=y"},
		},
		"CR":                  {"data: x\rdata: y\r\rdata: z\r\r", []string{"=x\ny", "=z"}},
		"byte order mark":     {"\ufeffdata: x\n\n", []string{"=x"}},
		"byte order mark two": {"data: x\n\ufeffdata: y\n\n", []string{"=x"}},
		"unknown field":       {"colour: red\ndata: x\n\n", []string{"=x"}},
		"colons":              {"data: a:b: c\n\n", []string{"=a:b: c"}},
	} {
		for how, r := range map[string]io.Reader{
			"at once":      strings.NewReader(c.stream),
			"byte by byte": iotest.OneByteReader(strings.NewReader(c.stream)),
		} {
			events, _, err := readAll(r)
			var got []string
			for _, e := range events {
				got = append(got, e.name+"="+string(e.data))
			}
			if strings.Join(got, "|") != strings.Join(c.want, "|") || len(got) != len(c.want) ||
				!errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: %q, %v; want %q", name, how, got, err, c.want)
			}
		}
	}
}

// TestEventsAtOnce: an event is returned with the CR that ends it, without waiting for an LF.
func TestEventsAtOnce(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	events := make(chan event)
	go func() {
		reader := newEventReader(r)
		for {
			e, err := reader.next()
			if err != nil {
				close(events)
				return
			}
			events <- e
		}
	}()
	for _, text := range []string{"data: a\r\r", "\ndata: b\r\n\r", "\ndata: c\n\n"} {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if e := <-events; len(e.data) != 1 {
			t.Errorf("%q: %q", text, e.data)
		}
	}
	_ = w.Close()
	<-events
}

// TestEventsProperty: any lines are read back, whichever line breaks end them.
func TestEventsProperty(t *testing.T) {
	t.Parallel()
	check(t, func(first text, others []text, seed int64) bool {
		r := rand.New(rand.NewSource(seed))
		ends := []string{"\n", "\r", "\r\n"}
		var lines []string
		var stream strings.Builder
		for _, line := range append([]text{first}, others[:min(len(others), 4)]...) {
			one := strings.NewReplacer("\r", "", "\n", "").Replace(string(line))
			lines = append(lines, one)
			stream.WriteString("data: " + one + ends[r.Intn(3)])
		}
		stream.WriteString("\n\n") // the first may belong to a CR
		events, _, err := readAll(iotest.HalfReader(strings.NewReader(stream.String())))
		if want := strings.Join(lines, "\n"); len(events) != 1 || string(events[0].data) != want ||
			!errors.Is(err, io.EOF) {
			t.Errorf("%q became %q, %v", stream.String(), events, err)
		}
		return !t.Failed()
	})
}

func TestEventsLimits(t *testing.T) {
	t.Parallel()
	for _, endless := range []string{"x", "data: x\n"} {
		_, _, err := readAll(&repeating{text: []byte(endless)})
		if !errors.Is(err, errEventTooLarge) {
			t.Errorf("%q: %v", endless, err)
		}
	}
	_, retry, _ := readAll(
		strings.NewReader("retry: 250\nretry: soon\nretry: -1\nretry: 99999999999999999999\n"),
	)
	if retry != 250*time.Millisecond {
		t.Errorf("retry after %v", retry)
	}
}

// repeating repeats a text for ever.
type repeating struct {
	text []byte
	rest []byte
}

func (r *repeating) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.rest = bytes.Clone(r.text)
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
