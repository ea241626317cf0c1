package messages_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/outset-settings/outset/pkg/messages"
)

// encode writes what our own encoder wouldn't.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fields is a message of any shape.
type fields map[any]any

// TestUnknownFieldsAreIgnored: today's programs read what a later version, which has appended
// fields at every level, sends.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	t.Parallel()
	type operation struct {
		messages.Operation
		Path   string         `cbor:"60,keyasint"`
		Nested map[string]any `cbor:"61,keyasint"`
		Named  float64        `cbor:"named"`
	}
	request := struct {
		Operations []operation `cbor:"1,keyasint"`
		Secret     []byte      `cbor:"2,keyasint"`
		Trace      []byte      `cbor:"3,keyasint"`
		Later      []byte      `cbor:"9,keyasint"`
	}{Secret: goldenRequest.Secret, Trace: goldenRequest.Trace, Later: []byte("later")}
	for _, o := range goldenRequest.Operations {
		request.Operations = append(request.Operations, operation{
			o, "/theme", map[string]any{"a": []int{1}}, 1.5,
		})
	}
	if got, err := messages.DecodeRequest(encode(t, request)); err != nil ||
		!reflect.DeepEqual(got, goldenRequest) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, goldenRequest)
	}

	type result struct {
		messages.Result
		Modified int64 `cbor:"99,keyasint"`
		Flag     *bool `cbor:"-1,keyasint"`
	}
	reply := struct {
		messages.Reply
		Results []result `cbor:"2,keyasint"`
		Load    float32  `cbor:"9,keyasint"`
	}{Reply: messages.Reply{Worker: goldenReply.Worker}, Load: 0.5}
	for _, r := range goldenReply.Results {
		reply.Results = append(reply.Results, result{r, 1764000000000, nil})
	}
	if got, err := messages.DecodeReply(encode(t, reply), len(reply.Results)); err != nil ||
		!reflect.DeepEqual(got, goldenReply) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, goldenReply)
	}
}

// TestUnknownFieldsInsideAreIgnored: the same for what is inside an operation and a result.
func TestUnknownFieldsInsideAreIgnored(t *testing.T) {
	t.Parallel()
	later := map[string]any{"a": []int{1}}
	versions := fields{1: true, 2: []fields{{1: 3, 20: later}}, 20: later}
	request := fields{
		1: []fields{{
			1: messages.ActionDelete, 2: "42",
			9: fields{1: versions, 2: versions, 3: 7, 20: later},
		}},
	}
	want := &messages.Versions{Any: true, Listed: []messages.Tag{{3, 0}}}
	if got, err := messages.DecodeRequest(encode(t, request)); err != nil ||
		!reflect.DeepEqual(got.Operations, []messages.Operation{
			{
				Action: messages.ActionDelete, User: "42",
				If: &messages.Condition{Match: want, NoneMatch: want, UnmodifiedSince: 7},
			},
		}) {
		t.Errorf("%v, %+v", err, got)
	}
	reply := fields{2: []fields{{11: []fields{{1: 5, 2: 6, 3: "unheard-of", 20: later}}}}}
	if got, err := messages.DecodeReply(encode(t, reply), 1); err != nil ||
		!reflect.DeepEqual(got.Results, []messages.Result{
			{Entries: []messages.Entry{{Version: 5, Time: 6, Action: "unheard-of"}}},
		}) {
		t.Errorf("%v, %+v", err, got)
	}
}

func TestUnknownKindsAreKept(t *testing.T) {
	t.Parallel()
	const later messages.Kind = "unheard-of"
	for name, reply := range map[string]fields{
		"of a result": {2: []fields{{1: later}}},
		"of a reply":  {3: later},
	} {
		got, err := messages.DecodeReply(encode(t, reply), 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		kind := got.Kind
		if len(got.Results) > 0 {
			kind = got.Results[0].Kind
		}
		if kind != later || kind.Temporary() {
			t.Errorf("%s: %q, temporary: %v; want %q, which may have been applied", name, kind,
				kind.Temporary(), later)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	read := fields{1: messages.ActionRead, 2: "42"}
	good := encode(t, fields{1: []fields{read}})
	if _, err := messages.DecodeRequest(good); err != nil {
		t.Fatal(err)
	}
	deep := any("bottom")
	for range 20 {
		deep = []any{deep}
	}
	wide := fields{1: []fields{read}}
	for i := range 100 {
		wide[1000+i] = i
	}
	for name, data := range map[string][]byte{
		"nothing":         nil,
		"no operation":    encode(t, fields{1: []fields{}}),
		"another message": encode(t, fields{9: 9}),
		"null":            {0xf6},
		"JSON":            []byte(`{"1":[{"1":1,"2":"42"}]}`),
		"half":            good[:len(good)-1],
		"two":             slices.Concat(good, good),
		"a byte more":     append(slices.Clone(good), 0),
		// which user?
		"a key twice":          {0xa1, 1, 0x81, 0xa3, 1, 1, 2, 0x61, 'a', 2, 0x61, 'b'},
		"operations twice":     {0xa2, 1, 0x81, 0xa1, 1, 1, 1, 0x81, 0xa1, 1, 1},
		"an unknown key twice": {0xa3, 1, 0x81, 0xa1, 1, 1, 9, 0, 9, 0},
		"an indefinite map":    {0xbf, 1, 0x81, 0xa1, 1, 1, 0xff},
		"an indefinite array":  {0xa1, 1, 0x9f, 0xa1, 1, 1, 0xff},
		"an indefinite string": {0xa1, 1, 0x81, 0xa2, 1, 1, 2, 0x7f, 0x61, 'a', 0xff},
		"a tag": encode(t, cbor.Tag{
			Number: 55799, Content: fields{1: []fields{read}},
		}),
		"a tag inside": encode(t, fields{
			1: []fields{{1: 1, 2: cbor.Tag{Number: 32, Content: "42"}}},
		}),
		"a user not UTF-8":      encode(t, fields{1: []fields{{1: 1, 2: "\xff"}}}),
		"a user of bytes":       encode(t, fields{1: []fields{{1: 1, 2: []byte("42")}}}),
		"a document of text":    encode(t, fields{1: []fields{{1: 7, 2: "42", 13: "{}"}}}),
		"an action too large":   encode(t, fields{1: []fields{{1: 256, 2: "42"}}}),
		"a negative action":     encode(t, fields{1: []fields{{1: -1, 2: "42"}}}),
		"a fractional deadline": encode(t, fields{1: []fields{{1: 1, 2: "42", 5: 1.5}}}),
		"a path of text":        encode(t, fields{1: []fields{{1: 10, 2: "42", 11: "/theme"}}}),
		"a path of bytes": encode(t, fields{
			1: []fields{{1: 10, 2: "42", 11: [][]byte{[]byte("a")}}},
		}),
		"a path not UTF-8": encode(t, fields{
			1: []fields{{1: 10, 2: "42", 11: []string{"\xff"}}},
		}),
		"a path far too deep": encode(t, fields{
			1: []fields{{1: 10, 2: "42", 11: make([]string, messages.MaxOperations+1)}},
		}),
		"a condition of text": encode(t, fields{1: []fields{{1: 12, 2: "42", 9: "*"}}}),
		"a version of text": encode(t, fields{
			1: []fields{{1: 12, 2: "42", 9: fields{1: fields{2: []string{"3"}}}}},
		}),
		"a condition twice": {0xa1, 1, 0x81, 0xa3, 1, 12, 9, 0xa0, 9, 0xa0},
		"too many operations": encode(t, fields{
			1: slices.Repeat([]fields{read}, messages.MaxOperations+1),
		}),
		"too many fields": encode(t, wide),
		"too deep":        encode(t, fields{1: []fields{read}, 9: deep}),
		// The length that is announced is no reason to take so much memory.
		"a bomb": {0xa1, 1, 0x81, 0xa1, 13, 0x5b, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		got, err := messages.DecodeRequest(data)
		if err == nil || !strings.HasPrefix(err.Error(), "not a request: ") {
			t.Errorf("%s: got %v and error %v, want one that says what it is not", name, got, err)
		}
		if !reflect.DeepEqual(got, messages.Request{}) {
			t.Errorf("%s: an error, and yet %+v", name, got)
		}
	}
}

func TestRefusedReplies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data []byte
		n    int
	}{
		"nothing":          {nil, 1},
		"an empty map":     {[]byte{0xa0}, 1},
		"null":             {[]byte{0xf6}, 1},
		"too few results":  {encode(t, goldenReply), len(goldenReply.Results) + 1},
		"too many results": {encode(t, goldenReply), len(goldenReply.Results) - 1},
		"one more": {encode(t, messages.Reply{Results: make([]messages.Result,
			messages.MaxOperations+1)}), messages.MaxOperations + 1},
		"trailing bytes": {append(encode(t, goldenReply), 0xa0), len(goldenReply.Results)},
		"a tag": {
			encode(t, cbor.Tag{Number: 55799, Content: goldenReply}),
			len(goldenReply.Results),
		},
		"a key twice":       {[]byte{0xa2, 3, 0x61, 'a', 3, 0x61, 'b'}, 1},
		"not UTF-8":         {encode(t, fields{3: "a", 4: "\xff"}), 1},
		"an indefinite map": {[]byte{0xbf, 3, 0x61, 'a', 0xff}, 1},
		"a request":         {encode(t, goldenRequest), 2},
	} {
		got, err := messages.DecodeReply(c.data, c.n)
		if err == nil || !strings.HasPrefix(err.Error(), "not a reply: ") ||
			!reflect.DeepEqual(got, messages.Reply{}) {
			t.Errorf("%s: got %+v and error %v", name, got, err)
		}
	}
}

// TestMostOperations: the limits admit what they say.
func TestMostOperations(t *testing.T) {
	t.Parallel()
	operations := slices.Repeat(goldenRequest.Operations, messages.MaxOperations/2)
	data, err := messages.EncodeRequest(messages.Request{Operations: operations})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := messages.DecodeRequest(data); err != nil ||
		len(got.Operations) != messages.MaxOperations {
		t.Errorf("%d operations, %v", len(got.Operations), err)
	}
	results := make([]messages.Result, messages.MaxOperations)
	results[len(results)-1].Version = 7
	if data, err = messages.EncodeReply(messages.Reply{Results: results}); err != nil {
		t.Fatal(err)
	}
	if got, err := messages.DecodeReply(data, len(results)); err != nil ||
		got.Results[len(results)-1].Version != 7 {
		t.Errorf("%d results, %v", len(got.Results), err)
	}
}

// TestDecodedOwnsItsBytes: NATS and fasthttp use their buffers again, and a document lives on in
// batches until it is committed.
func TestDecodedOwnsItsBytes(t *testing.T) {
	t.Parallel()
	data := fromHex(t, goldenRequestBytes)
	got, err := messages.DecodeRequest(data)
	if err != nil {
		t.Fatal(err)
	}
	copy(data, bytes.Repeat([]byte{0xff}, len(data)))
	if !reflect.DeepEqual(got, goldenRequest) {
		t.Errorf("changed with the message's buffer: %+v", got)
	}
}
