package messages_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// FuzzDecodeRequest: anything may come from the network. Nothing panics, and what is taken for a
// request stays the same one when it is passed on.
func FuzzDecodeRequest(f *testing.F) {
	f.Add(fromHex(f, goldenRequestBytes))
	f.Add(fromHex(f, goldenActionsBytes))
	f.Add(fromHex(f, goldenTokenActionsBytes))
	f.Add(fromHex(f, goldenReplyBytes))
	// a null for an operation
	f.Add([]byte{0xa1, 1, 0x81, 0xf6})
	// half a field that we don't know
	f.Add([]byte{0xa2, 1, 0x81, 0xa1, 13, 0x40, 9, 0xfb})
	// a negative deadline; numbers as bytes
	f.Add([]byte{0xa1, 1, 0x81, 0xa2, 5, 0x39, 1, 0, 8, 0x82, 1, 2})
	// nulls and nothing where there may be something
	f.Add([]byte{0xa1, 1, 0x81, 0xa2, 11, 0x81, 0xf6, 9, 0xa2, 1, 0xf6, 2, 0xa1, 2, 0x80})
	// an empty path; a negative version
	f.Add([]byte{0xa1, 1, 0x81, 0xa2, 11, 0x80, 9, 0xa1, 1, 0xa2, 1, 0xf4, 2, 0x81, 0x39, 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := messages.DecodeRequest(data)
		if err != nil {
			return
		}
		if n := len(r.Operations); n == 0 || n > messages.MaxOperations {
			t.Fatalf("%d operations", n)
		}
		capacity := messages.Capacity(0)
		for i := range r.Operations {
			o := &r.Operations[i]
			_, _ = o.Check(messages.ReadSubject)
			_, _ = o.Check(messages.WriteSubject)
			capacity -= o.Size()
			// None and an empty one are the same, and are sent as none.
			o.Fingerprint, o.Document, o.Path = orNil(o.Fingerprint), orNil(o.Document),
				orNil(o.Path)
			o.Uses = orNil(o.Uses)
			if o.Token != nil {
				o.Token.Hash, o.Token.Scopes = orNil(o.Token.Hash), orNil(o.Token.Scopes)
			}
			if o.If != nil {
				listedOrNil(o.If.Match)
				listedOrNil(o.If.NoneMatch)
			}
		}
		encoded, err := messages.EncodeRequest(r)
		if err != nil || len(encoded) > -capacity {
			t.Fatalf("encoded again: %v, %d bytes, said to be at most %d", err, len(encoded), -capacity)
		}
		if again, err := messages.DecodeRequest(encoded); err != nil ||
			!reflect.DeepEqual(again, r) {
			t.Fatalf("decoded again: %v\n got %+v\nwant %+v", err, again, r)
		}
	})
}

// FuzzDecodeReply: as above, for what claims to be a worker.
func FuzzDecodeReply(f *testing.F) {
	f.Add(fromHex(f, goldenReplyBytes), len(goldenReply.Results))
	f.Add(fromHex(f, goldenResultsBytes), len(goldenResults.Results))
	f.Add(fromHex(f, goldenTokensBytes), len(goldenTokens.Results))
	f.Add(fromHex(f, goldenRefusalBytes), 7)
	// an empty path and an empty entry
	f.Add([]byte{0xa1, 2, 0x81, 0xa2, 10, 0x80, 11, 0x81, 0xa0}, 1)
	f.Add([]byte{0xa1, 2, 0x81, 0xa0}, 1)
	f.Add([]byte{0xa0}, 0)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		r, err := messages.DecodeReply(data, n)
		if err != nil {
			return
		}
		if r.Kind == "" && len(r.Results) != n {
			t.Fatalf("%d results for %d operations", len(r.Results), n)
		}
		_ = r.Kind.Temporary()
		for i := range r.Results {
			result := &r.Results[i]
			result.Document, result.Path, result.Entries = orNil(result.Document),
				orNil(result.Path), orNil(result.Entries)
			result.Tokens = orNil(result.Tokens)
			for i := range result.Tokens {
				token := &result.Tokens[i]
				token.Hash, token.Scopes = orNil(token.Hash), orNil(token.Scopes)
			}
		}
		encoded, err := messages.EncodeReply(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := messages.DecodeReply(encoded, n)
		if err != nil {
			t.Fatalf("decoded again: %v", err)
		}
		if len(r.Results) == 0 {
			r.Results = nil
		}
		if !reflect.DeepEqual(again, r) {
			t.Fatalf("decoded again:\n got %+v\nwant %+v", again, r)
		}
		if twice, err := messages.EncodeReply(again); err != nil || !bytes.Equal(twice, encoded) {
			t.Fatalf("encoded twice: %v\n got %x\nwant %x", err, twice, encoded)
		}
	})
}

func orNil[S ~[]E, E any](s S) S {
	if len(s) == 0 {
		return nil
	}
	return s
}

func listedOrNil(v *messages.Versions) {
	if v != nil {
		v.Listed = orNil(v.Listed)
	}
}
