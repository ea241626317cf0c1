package messages_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/outset-settings/outset/pkg/messages"
)

// lengths draws how long something is, most often beside the lengths at which its encoding gets a
// byte longer.
func lengths(most int) *rapid.Generator[int] {
	edges := []int{0, most}
	for _, edge := range []int{23, 24, 255, 256, 65535} {
		if edge < most {
			edges = append(edges, edge)
		}
	}
	return rapid.OneOf(rapid.SampledFrom(edges), rapid.IntRange(0, min(most, 64)),
		rapid.IntRange(0, most))
}

func text(most int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		n := lengths(most).Draw(t, "length")
		if rapid.Bool().Draw(t, "not ASCII") {
			return strings.Repeat("日", n/len("日"))
		}
		return strings.Repeat("a", n)
	})
}

func octets(most int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		n := lengths(most).Draw(t, "length")
		if n == 0 {
			return nil // none and an empty one are the same on the wire
		}
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, n)
	})
}

// operations draws anything that can be encoded, allowed or not.
func operations() *rapid.Generator[messages.Operation] {
	return rapid.Custom(func(t *rapid.T) messages.Operation {
		return messages.Operation{
			Action:      messages.Action(rapid.Uint8().Draw(t, "action")),
			User:        text(2*messages.MaxUser).Draw(t, "user"),
			RequestID:   text(2*messages.MaxRequestID).Draw(t, "request id"),
			Deadline:    rapid.Int64().Draw(t, "deadline"),
			ID:          text(2*messages.MaxID).Draw(t, "id"),
			Fingerprint: octets(64).Draw(t, "fingerprint"),
			Document:    octets(someDocument).Draw(t, "document"),
			Path:        path().Draw(t, "path"),
			If:          rapid.Ptr(conditions(), true).Draw(t, "if"),
			Version:     rapid.Int64().Draw(t, "version"),
			Limit:       rapid.Int().Draw(t, "limit"),
			Quiet:       rapid.Bool().Draw(t, "quiet"),
			Keyed:       rapid.Bool().Draw(t, "keyed"),
			Issued:      rapid.Int64().Draw(t, "issued"),
			List:        rapid.Ptr(listings(), true).Draw(t, "list"),
			Actor:       rapid.Ptr(actors(), true).Draw(t, "actor"),
			Token:       rapid.Ptr(tokens(), true).Draw(t, "token"),
			Uses:        listOf(uses(), 5).Draw(t, "uses"),
			Follow:      rapid.Ptr(followings(), true).Draw(t, "follow"),
			Again:       rapid.Bool().Draw(t, "again"),
			Principal:   rapid.Uint64().Draw(t, "principal"),
			Trace:       octets(2*messages.TraceSize).Draw(t, "trace"),
		}
	})
}

// someDocument is past the last length at which the encoding gets a byte longer. Documents can
// be longer, but a failure that prints them is no pleasure to read.
const someDocument = 64<<10 + 1

// listOf draws none as nil: none and an empty list are the same on the wire.
func listOf[V any](g *rapid.Generator[V], most int) *rapid.Generator[[]V] {
	return rapid.Custom(func(t *rapid.T) []V {
		if n := lengths(most).Draw(t, "length"); n > 0 {
			return rapid.SliceOfN(g, n, n).Draw(t, "list")
		}
		return nil
	})
}

func path() *rapid.Generator[[]string] {
	return rapid.OneOf(listOf(text(300), 3), listOf(text(2), 2*messages.MaxTokens))
}

// possiblePath is one that [messages.CheckPath] allows.
func possiblePath() *rapid.Generator[[]string] {
	return rapid.OneOf(listOf(text(300), 3), listOf(text(2), messages.MaxTokens))
}

// millis draws a time that a token may have.
func millis() *rapid.Generator[int64] { return rapid.Int64Range(0, lastMillis) }

// times draws a time that a version may have.
func times() *rapid.Generator[int64] { return rapid.Int64Range(0, lastMicros) }

func tags() *rapid.Generator[messages.Tag] {
	return rapid.Custom(func(t *rapid.T) messages.Tag {
		return messages.Tag{
			Version:  rapid.Int64Min(0).Draw(t, "version"),
			Modified: times().Draw(t, "modified"),
		}
	})
}

func conditions() *rapid.Generator[messages.Condition] {
	versions := rapid.Custom(func(t *rapid.T) messages.Versions {
		return messages.Versions{
			Any:    rapid.Bool().Draw(t, "any"),
			Listed: listOf(tags(), messages.MaxVersions).Draw(t, "listed"),
		}
	})
	return rapid.Custom(func(t *rapid.T) messages.Condition {
		return messages.Condition{
			Match:           rapid.Ptr(versions, true).Draw(t, "match"),
			NoneMatch:       rapid.Ptr(versions, true).Draw(t, "none match"),
			UnmodifiedSince: rapid.Int64().Draw(t, "unmodified since"),
		}
	})
}

func entries() *rapid.Generator[messages.Entry] {
	return rapid.Custom(func(t *rapid.T) messages.Entry {
		return messages.Entry{
			Version: rapid.Int64Min(1).Draw(t, "version"),
			Time:    times().Draw(t, "time"),
			Action:  text(64).Draw(t, "action"),
			Size:    rapid.Int64Min(0).Draw(t, "size"),
			Actor:   rapid.Ptr(keptActors(), true).Draw(t, "actor"),
		}
	})
}

func actors() *rapid.Generator[messages.Actor] {
	return rapid.Custom(func(t *rapid.T) messages.Actor {
		return messages.Actor{
			Kind:    messages.ActorKind(rapid.Uint8().Draw(t, "kind")),
			Subject: text(2*messages.MaxSubject).Draw(t, "subject"),
			Token:   text(2*messages.MaxTokenID).Draw(t, "token"),
		}
	})
}

func tokens() *rapid.Generator[messages.Token] {
	return rapid.Custom(func(t *rapid.T) messages.Token {
		return messages.Token{
			ID:   text(2*messages.MaxTokenID).Draw(t, "id"),
			Name: text(2*messages.MaxTokenName).Draw(t, "name"),
			Hash: octets(64).Draw(t, "hash"), Scopes: listOf(text(32), 8).Draw(t, "scopes"),
			App: text(64).Draw(t, "app"), Created: rapid.Int64().Draw(t, "created"),
			CreatedBy: rapid.Ptr(actors(), true).Draw(t, "created by"),
			Expires:   rapid.Int64().Draw(t, "expires"),
			LastUsed:  rapid.Int64().Draw(t, "last used"),
		}
	})
}

// keptTokens and keptActors are those that a reply may have.
func keptTokens() *rapid.Generator[messages.Token] {
	return rapid.Custom(func(t *rapid.T) messages.Token {
		return messages.Token{
			ID:      rapid.StringMatching(`[A-Za-z0-9]{1,64}`).Draw(t, "id"),
			Name:    text(messages.MaxTokenName).Draw(t, "name"),
			Hash:    octets(32).Draw(t, "hash"),
			Scopes:  listOf(text(32), messages.MaxScopes).Draw(t, "scopes"),
			App:     text(messages.MaxTokenName).Draw(t, "app"),
			Created: millis().Draw(t, "created"), Expires: millis().Draw(t, "expires"),
			LastUsed:  millis().Draw(t, "last used"),
			CreatedBy: rapid.Ptr(keptActors(), true).Draw(t, "created by"),
		}
	})
}

func keptActors() *rapid.Generator[messages.Actor] {
	return rapid.Custom(func(t *rapid.T) messages.Actor {
		return messages.Actor{
			Kind:    messages.ActorKind(rapid.Uint8().Draw(t, "kind")),
			Subject: text(messages.MaxSubject).Draw(t, "subject"),
			Token:   text(messages.MaxTokenID).Draw(t, "token"),
		}
	})
}

func uses() *rapid.Generator[messages.TokenUse] {
	return rapid.Custom(func(t *rapid.T) messages.TokenUse {
		return messages.TokenUse{
			ID: text(2*messages.MaxTokenID).Draw(t, "id"), Time: rapid.Int64().Draw(t, "time"),
		}
	})
}

func listings() *rapid.Generator[messages.Listing] {
	return rapid.Custom(func(t *rapid.T) messages.Listing {
		return messages.Listing{
			After: text(2*messages.MaxUser).Draw(t, "after"), Limit: rapid.Int().Draw(t, "limit"),
			Since: rapid.Int64().Draw(t, "since"), Documents: rapid.Bool().Draw(t, "documents"),
		}
	})
}

func followings() *rapid.Generator[messages.Following] {
	return rapid.Custom(func(t *rapid.T) messages.Following {
		return messages.Following{
			After: rapid.Ptr(positions(), true).Draw(t, "after"), Limit: rapid.Int().Draw(t, "limit"),
			Documents: rapid.Bool().Draw(t, "documents"), Now: rapid.Bool().Draw(t, "now"),
		}
	})
}

func positions() *rapid.Generator[messages.Position] {
	return rapid.Custom(func(t *rapid.T) messages.Position {
		return messages.Position{
			Database:    "d" + text(messages.MaxDatabase-1).Draw(t, "database"),
			Transaction: rapid.Int64Min(0).Draw(t, "transaction"),
			User:        text(messages.MaxUser).Draw(t, "user"),
			Listing:     rapid.Bool().Draw(t, "listing"),
		}
	})
}

// TestPositionText: a position can be read from its text, and nothing else is one.
func TestPositionText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := positions().Draw(t, "position")
		if got, err := messages.ParsePosition(want.String()); err != nil || got != want {
			t.Fatalf("%+v became %+v, %v", want, got, err)
		}
	})
	good := messages.Position{Database: "d", Transaction: 7, User: "u"}.String()
	for _, text := range []string{
		"", "x", "7", good + "=", good + "\n", "AQ", "AgA", "AgAH", good[1:], "AgL" + good[3:],
		messages.Position{Transaction: 7}.String(),
		messages.Position{Database: "d", User: "a\nb"}.String(),
		messages.Position{Database: strings.Repeat("d", messages.MaxDatabase+1)}.String(),
	} {
		if p, err := messages.ParsePosition(text); err == nil {
			t.Errorf("%q is taken for %+v", text, p)
		}
	}
}

func users() *rapid.Generator[messages.User] {
	return rapid.Custom(func(t *rapid.T) messages.User {
		return messages.User{
			ID: text(2*messages.MaxUser).Draw(t, "id"), Version: rapid.Int64Min(0).Draw(t, "version"),
			Modified:   times().Draw(t, "modified"),
			Document:   octets(300).Draw(t, "document"),
			Violations: listOf(violations(), 2).Draw(t, "violations"),
			Absent:     rapid.Bool().Draw(t, "absent"),
			Erased:     rapid.Int64Min(0).Draw(t, "erased"),

			Transaction: rapid.Int64Min(0).Draw(t, "transaction"),
		}
	})
}

func violations() *rapid.Generator[messages.Violation] {
	return rapid.Custom(func(t *rapid.T) messages.Violation {
		return messages.Violation{
			Pointer: text(messages.MaxPointer).Draw(t, "pointer"),
			Reason:  text(messages.MaxPointer).Draw(t, "reason"),
		}
	})
}

func results() *rapid.Generator[messages.Result] {
	return rapid.Custom(func(t *rapid.T) messages.Result {
		return messages.Result{
			Kind:     messages.Kind(text(64).Draw(t, "kind")),
			Detail:   text(messages.MaxDetail).Draw(t, "detail"),
			Version:  rapid.Int64Min(0).Draw(t, "version"),
			Document: octets(someDocument).Draw(t, "document"),
			Replayed: rapid.Bool().Draw(t, "replayed"),
			Modified: times().Draw(t, "modified"),
			Absent:   rapid.Bool().Draw(t, "absent"),
			Created:  rapid.Bool().Draw(t, "created"),
			Path:     possiblePath().Draw(t, "path"),
			Entries:  listOf(entries(), messages.MaxEntries).Draw(t, "entries"),
			Busy:     rapid.Bool().Draw(t, "busy"),
			Took:     rapid.Int64Min(0).Draw(t, "took"),

			Users:          listOf(users(), 5).Draw(t, "users"),
			Next:           text(messages.MaxUser).Draw(t, "next"),
			Schema:         rapid.Int64Min(0).Draw(t, "schema"),
			Violations:     listOf(violations(), messages.MaxViolations).Draw(t, "violations"),
			MoreViolations: rapid.Bool().Draw(t, "more violations"),
			Checked:        rapid.Int64Min(0).Draw(t, "checked"),
			Broken:         rapid.Int64Min(0).Draw(t, "broken"),
			Tokens:         listOf(keptTokens(), 3).Draw(t, "tokens"),
			Position:       rapid.Ptr(positions(), true).Draw(t, "position"),
			More:           rapid.Bool().Draw(t, "more"),
			Behind:         rapid.Bool().Draw(t, "behind"),
			Reset:          rapid.Bool().Draw(t, "reset"),
			Fenced:         rapid.Bool().Draw(t, "fenced"),
		}
	})
}

// workerID is as long as the ids of our workers.
var workerID = strings.Repeat("W", 26)

func TestRequestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := messages.Request{
			Operations: rapid.SliceOfN(operations(), 1, 5).Draw(t, "operations"),
		}
		data, err := messages.EncodeRequest(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := messages.DecodeRequest(data); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
		}
	})
}

func TestReplyRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := messages.Reply{
			Worker: rapid.StringMatching(`[A-Za-z0-9_-]{0,64}`).Draw(t, "worker"),
		}
		if rapid.Bool().Draw(t, "refused as a whole") {
			want.Kind = messages.Kind(text(63).Draw(t, "kind")) + "x"
			want.Detail = text(messages.MaxDetail).Draw(t, "detail")
		} else {
			want.Results = rapid.SliceOfN(results(), 1, 5).Draw(t, "results")
		}
		data, err := messages.EncodeReply(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := messages.DecodeReply(data, len(want.Results)); err != nil ||
			!reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
		}
	})
}

// TestSizeIsAnUpperBound holds the overheads in size.go true, and useful: a bound that were far
// too high would halve the batches.
func TestSizeIsAnUpperBound(t *testing.T) {
	t.Parallel()
	check := func(t *rapid.T, v any, size, slack int) {
		data, err := cbor.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > size || size > len(data)+64+slack {
			t.Fatalf("%d bytes, said to be at most %d", len(data), size)
		}
	}
	// Numbers count as if they were large, which takes 8 bytes, and texts as if they were long,
	// which takes 2.
	const number, token = 8, 2
	rapid.Check(t, func(t *rapid.T) {
		o := operations().Draw(t, "operation")
		slack := 3*number + token*len(o.Path) + slackOfActor(o.Actor) + slackOfToken(o.Token) +
			useSlack*len(o.Uses)
		if o.List != nil {
			slack += 40
		}
		if o.Follow != nil {
			slack += 40
		}
		if o.If != nil {
			slack += 3 * number
			for _, v := range []*messages.Versions{o.If.Match, o.If.NoneMatch} {
				if v != nil {
					slack += 2 * number * len(v.Listed)
				}
			}
		}
		check(t, o, o.Size(), slack)
		r := results().Draw(t, "result")
		slack = number + token*len(r.Path) + (3*number+2*token)*len(r.Entries)
		slack += 8 + 3*number + token*len(r.Next) + 12*len(r.Violations)
		for _, u := range r.Users {
			slack += 40 + 12*len(u.Violations)
		}
		for _, e := range r.Entries {
			slack += slackOfActor(e.Actor)
		}
		for _, t := range r.Tokens {
			slack += slackOfToken(&t)
		}
		check(t, r, r.Size(), slack)
	})
}

// useSlack is how much too large the size of a use may be.
const useSlack = 12

func slackOfActor(a *messages.Actor) int {
	if a == nil {
		return 0
	}
	return 12
}

func slackOfToken(t *messages.Token) int {
	if t == nil {
		return 0
	}
	return 20 + 3*8 + 2*len(t.Scopes) + 4 + slackOfActor(t.CreatedBy)
}

// payloads draws the max_payload of a server: the least that we allow, or NATS's default.
func payloads() *rapid.Generator[int64] {
	return rapid.SampledFrom([]int64{messages.MinPayload, 1 << 20})
}

// TestCapacityOfARequest fills requests to the last byte of its capacity.
func TestCapacityOfARequest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		maxPayload := payloads().Draw(t, "max_payload")
		few := rapid.SliceOfN(operations(), 1, 4).Draw(t, "operations")
		capacity := messages.Capacity(maxPayload)
		var r messages.Request
		for i := 0; len(r.Operations) < 200; i++ {
			o := few[i%len(few)]
			if o.Size() > capacity {
				o = messages.Operation{}
				if capacity < o.Size() {
					break
				}
				o.Document = make([]byte, capacity-o.Size())
			}
			capacity -= o.Size()
			r.Operations = append(r.Operations, o)
		}
		data, err := messages.EncodeRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(data)) > maxPayload {
			t.Fatalf("%d operations take %d bytes, over %d", len(r.Operations), len(data),
				maxPayload)
		}
	})
}

// TestCapacityOfARefusal: a reply without results has capacity for its detail.
func TestCapacityOfARefusal(t *testing.T) {
	t.Parallel()
	data, err := messages.EncodeReply(messages.Reply{
		Worker: workerID, Kind: messages.KindIDReused,
		Detail: strings.Repeat("d", messages.MaxDetail),
	})
	if most := messages.MinPayload - messages.Capacity(messages.MinPayload); err != nil ||
		len(data) > most {
		t.Errorf("%d bytes, %v; Capacity keeps %d for what is not a result", len(data), err, most)
	}
}
