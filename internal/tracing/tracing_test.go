package tracing

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// TestOffTakesNoMemory: a request that isn't traced takes no memory for it, whether the program
// traces others or not.
func TestOffTakesNoMemory(t *testing.T) {
	var off *Tracer
	request := &Request{Method: "GET"}
	if n := testing.AllocsPerRun(100, func() { untraced(off, request) }); n > 0 {
		t.Errorf("it takes memory %v times", n)
	}
}

// Where results go, as they do in the programs: what stays in a function takes no memory anyway.
var (
	wire   []byte
	kept   Place
	labels map[string]string
	lines  []any
)

// untraced is all that is done of tracing for a request and its batches.
func untraced(off *Tracer, request *Request) {
	ctx := context.Background()
	span := off.Serve(request)
	place := span.Place()
	wire, kept = place.Bytes(), place
	riders := AddRider(nil, Rider{Request: ParsePlace(wire)})
	b := off.Batch("read", 1, riders)
	message := b.Send("settings.v1.read", 1, 1)
	wire = message.Place().Bytes()
	ctx = With(ctx, off.Batch("read", 1, riders))
	query := From(ctx).Query("read")
	query.Fail("")
	query.End()
	message.AnsweredBy("w")
	message.End()
	b.End()
	labels, lines = place.Exemplar(), place.LogArgs()
	span.Answered("GET", "/", 200, "")
	span.Subrequest(request).End()
	span.End()
}

func BenchmarkOff(b *testing.B) {
	request := &Request{Method: "GET"}
	b.ReportAllocs()
	for b.Loop() {
		untraced(nil, request)
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	wire := bytes.Repeat([]byte{7}, PlaceSize)
	place := ParsePlace(wire)
	if place.IsZero() || !bytes.Equal(place.Bytes(), wire) {
		t.Errorf("%x became %x", wire, place.Bytes())
	}
	if got, want := place.Header(),
		"00-07070707070707070707070707070707-0707070707070707-01"; got != want {
		t.Errorf("the header is %s, want %s", got, want)
	}
	for _, none := range [][]byte{
		nil,
		{},
		wire[1:], append(bytes.Clone(wire), 7), make([]byte, PlaceSize),
		append(make([]byte, 16), wire[16:]...), append(bytes.Clone(wire[:16]), make([]byte, 8)...),
	} {
		place := ParsePlace(none)
		if !place.IsZero() || place.Bytes() != nil || place.Header() != "" || place.Trace() != "" ||
			place.LogArgs() != nil || place.Exemplar() != nil {
			t.Errorf("%x became %+v", none, place)
		}
	}
}

// TestRiders: a request that has many operations in a batch is one rider, who waited for as long as
// the first of them.
func TestRiders(t *testing.T) {
	t.Parallel()
	place := func(b byte) Place { return ParsePlace(bytes.Repeat([]byte{b}, PlaceSize)) }
	var riders []Rider
	for _, r := range []Rider{
		{place(1), place(9), 2 * time.Second},
		{Place{}, place(9), time.Hour}, // not traced
		{place(2), place(9), time.Second},
		{place(1), place(9), 3 * time.Second},
		{place(1), place(8), time.Second}, // in another message
	} {
		riders = AddRider(riders, r)
	}
	if len(riders) != 3 || riders[0].Waited != 3*time.Second || riders[2].Message != place(8) {
		t.Errorf("got %v", riders)
	}
}
