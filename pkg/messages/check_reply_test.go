package messages_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// lastMillis is the last millisecond of the year 9999.
const lastMillis = 253_402_300_799_999

// lastMicros is the last microsecond of that year.
const lastMicros = lastMillis*1000 + 999

// TestImpossibleResult: a result that no worker makes becomes an internal failure, and those beside
// it stay.
func TestImpossibleResult(t *testing.T) {
	t.Parallel()
	whole := messages.Result{Version: 1, Modified: lastMicros, Document: []byte(`{}`)}
	for name, r := range map[string]messages.Result{
		"a long kind":         {Kind: messages.Kind(strings.Repeat("k", messages.MaxKind+1))},
		"a long detail":       {Detail: strings.Repeat("d", messages.MaxDetail+1)},
		"a negative version":  {Version: -1},
		"a negative schema":   {Schema: math.MinInt64},
		"a negative count":    {Checked: -1},
		"another":             {Broken: -1},
		"a time before all":   {Modified: -1},
		"a time after all":    {Modified: math.MaxInt64},
		"too many entries":    {Entries: make([]messages.Entry, messages.MaxEntries+1)},
		"too many users":      {Users: make([]messages.User, messages.MaxUsers+1)},
		"too many violations": {Violations: make([]messages.Violation, messages.MaxViolations+1)},
		"an impossible next":  {Next: "a\n"},
		"an impossible path":  {Path: []string{"a\x00"}},
		"an entry of none":    {Entries: []messages.Entry{{Version: 0}}},
		"an entry's time":     {Entries: []messages.Entry{{Version: 1, Time: lastMicros + 1}}},
		"an entry's size":     {Entries: []messages.Entry{{Version: 1, Size: -1}}},
		"an entry's action": {Entries: []messages.Entry{{
			Version: 1, Action: strings.Repeat("a", messages.MaxKind+1),
		}}},
		"a user's version": {Users: []messages.User{{ID: "a", Version: -1}}},
		"a user's time":    {Users: []messages.User{{ID: "a", Modified: math.MaxInt64}}},
		"a user's violations": {Users: []messages.User{{
			ID: "a", Violations: make([]messages.Violation, messages.MaxViolations+1),
		}}},
	} {
		data, err := messages.EncodeReply(messages.Reply{Results: []messages.Result{whole, r, whole}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := messages.DecodeReply(data, 3)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r := got.Results[1]; r.Kind != messages.KindInternal || r.Detail == "" ||
			len(r.Detail) > messages.MaxDetail {
			t.Errorf("%s: %+v", name, r)
		}
		if !reflect.DeepEqual(got.Results[0], whole) || !reflect.DeepEqual(got.Results[2], whole) {
			t.Errorf("%s: its neighbours are %+v and %+v", name, got.Results[0], got.Results[2])
		}
	}
}

func TestImpossibleReply(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]messages.Reply{
		"a long worker":     {Worker: strings.Repeat("w", 5000), Kind: messages.KindOverloaded},
		"a worker with dot": {Worker: "a.b", Kind: messages.KindOverloaded},
		"a long kind":       {Kind: messages.Kind(strings.Repeat("k", messages.MaxKind+1))},
		"a long detail":     {Kind: "x", Detail: strings.Repeat("d", messages.MaxDetail+1)},
		"of no operation":   {Results: make([]messages.Result, 1), Of: []int{1}},
		"before the first":  {Results: make([]messages.Result, 1), Of: []int{-1}},
		"of one, twice":     {Results: make([]messages.Result, 2), Of: []int{0, 0}},
		"too few results":   {Of: []int{0}},
		"results at work":   {Results: make([]messages.Result, 1), Working: true},
	} {
		data, err := messages.EncodeReply(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := messages.DecodeReply(data, 1); err == nil {
			t.Errorf("%s was taken: %+v", name, got)
		}
	}
}

func TestImpossibleChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]messages.Changed{
		"no version":         {},
		"a negative version": {Version: -1},
		"a time before all":  {Version: 1, Modified: -1},
		"a time after all":   {Version: 1, Modified: math.MaxInt64},
	} {
		data, err := messages.EncodeChanged(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := messages.DecodeChanged(data); err == nil {
			t.Errorf("%s was taken: %+v", name, got)
		}
	}
}

// TestCheckWorker: an id is one token of a subject, and a short one.
func TestCheckWorker(t *testing.T) {
	t.Parallel()
	for id, fine := range map[string]bool{
		workerID: true, "w": true, "a-b_C9": true, strings.Repeat("w", messages.MaxWorker): true,
		"": false, strings.Repeat("w", messages.MaxWorker+1): false, "a.b": false, "*": false,
		">": false, "a b": false, "a\r\n": false, "a\x00": false, "ä": false, "\xff": false,
	} {
		if err := messages.CheckWorker(id); (err == nil) != fine {
			t.Errorf("%.80q: %v", id, err)
		}
	}
}

// TestCheckReplyTo: no sender has a worker publish on the subjects of the contract or of NATS.
func TestCheckReplyTo(t *testing.T) {
	t.Parallel()
	for subject, fine := range map[string]bool{
		"_INBOX.a.b": true, "_INBOX_api.a.1": true, "inbox": true,
		"": false, strings.Repeat("r", messages.MaxReplyTo+1): false,
		messages.ReadSubject: false, messages.ChangedSubject("ann"): false,
		"$SRV.PING": false, "$SYS.REQ.SERVER.PING": false,
	} {
		if err := messages.CheckReplyTo(subject); (err == nil) != fine {
			t.Errorf("%.80q: %v", subject, err)
		}
	}
}

// FuzzDecodeChanged: anything may come from the network.
func FuzzDecodeChanged(f *testing.F) {
	for _, c := range []messages.Changed{
		{Version: 1}, {Version: math.MaxInt64, Modified: lastMicros, Absent: true}, {},
	} {
		data, err := messages.EncodeChanged(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(fromHex(f, goldenReplyBytes)) // a sender may have had it sent to the wrong subject
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := messages.DecodeChanged(data)
		if err != nil {
			return
		}
		if c.Version < 1 || c.Modified < 0 || c.Modified > lastMicros {
			t.Fatalf("%+v", c)
		}
		encoded, err := messages.EncodeChanged(c)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := messages.DecodeChanged(encoded); err != nil || again != c {
			t.Fatalf("decoded again: %v\n got %+v\nwant %+v", err, again, c)
		}
	})
}
