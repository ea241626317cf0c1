package messages_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/outset-settings/outset/pkg/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const theme = `{"theme":"dark"}`

// fromHex reads the notation of the golden messages: hexadecimal digits, and comments after "#".
func fromHex(t testing.TB, notation string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(notation) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	data, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// golden fails unless the message is encoded as these bytes, and decoded from them.
//
// The golden messages are what programs that run somewhere send and expect. From the first release
// on a change that makes one of these tests fail belongs on new subjects.
func golden[M any](t *testing.T, message M, notation string, encode func(M) ([]byte, error),
	decode func([]byte) (M, error),
) {
	t.Helper()
	want := fromHex(t, notation)
	if got, err := encode(message); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded: %v\n got %x\nwant %x", err, got, want)
	}
	if got, err := decode(want); err != nil || !reflect.DeepEqual(got, message) {
		t.Errorf("decoded: %v\n got %+v\nwant %+v", err, got, message)
	}
	if _, err := decode(want[:len(want)-1]); err == nil {
		t.Error("a message without its last byte was decoded")
	}
}

func TestGoldenRequests(t *testing.T) {
	t.Parallel()
	golden(t, goldenRequest, goldenRequestBytes, messages.EncodeRequest, messages.DecodeRequest)
	golden(t, goldenActions, goldenActionsBytes, messages.EncodeRequest, messages.DecodeRequest)
	golden(t, goldenTokenActions, goldenTokenActionsBytes, messages.EncodeRequest,
		messages.DecodeRequest)
}

func TestGoldenFollow(t *testing.T) {
	t.Parallel()
	golden(t, goldenFollow, goldenFollowBytes, messages.EncodeRequest, messages.DecodeRequest)
}

func TestGoldenReplies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply messages.Reply
		bytes string
		n     int // operations in the request
	}{
		"results":            {goldenReply, goldenReplyBytes, 5},
		"refused as a whole": {goldenRefusal, goldenRefusalBytes, 6},
		"a part":             {goldenPart, goldenPartBytes, 3},
		"at work":            {goldenWorking, goldenWorkingBytes, 3},
		"states and history": {goldenResults, goldenResultsBytes, 5},
		"users and schema":   {goldenUsers, goldenUsersBytes, 3},
		"actors and tokens":  {goldenTokens, goldenTokensBytes, 2},
		"changes of all":     {goldenFollowed, goldenFollowedBytes, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, c.reply, c.bytes, messages.EncodeReply,
				func(data []byte) (messages.Reply, error) {
					return messages.DecodeReply(data, c.n)
				})
		})
	}
}

func TestGoldenChanged(t *testing.T) {
	t.Parallel()
	golden(t, goldenChanged, goldenChangedBytes, messages.EncodeChanged, messages.DecodeChanged)
}

// TestGoldenMessagesHaveEveryField: a new field belongs in one of them.
func TestGoldenMessagesHaveEveryField(t *testing.T) {
	t.Parallel()
	set := make(map[string]bool)
	for _, message := range []any{
		goldenRequest, goldenActions, goldenTokenActions, goldenReply, goldenRefusal, goldenResults,
		goldenPart, goldenWorking,
		goldenUsers, goldenTokens, goldenChanged, goldenFollow, goldenFollowed,
	} {
		fieldsSet(reflect.ValueOf(message), set)
	}
	for field, isSet := range set {
		if !isSet {
			t.Errorf("no golden message has %s", field)
		}
	}
}

// fieldsSet notes for each field of the structs in v whether any of them has it set.
func fieldsSet(v reflect.Value, set map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fieldsSet(v.Elem(), set)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fieldsSet(v.Index(i), set)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			set[name] = set[name] || !v.Field(i).IsZero()
			fieldsSet(v.Field(i), set)
		}
	default:
	}
}

// TestGoldenNames: these are not in the bytes of a message, but as much a part of the contract.
func TestGoldenNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		messages.ReadSubject:                "settings.v1.read",
		messages.WriteSubject:               "settings.v1.write",
		messages.QueueGroup:                 "workers",
		messages.ServiceName:                "outset",
		messages.ActionsKey:                 "actions",
		messages.WorkerSubject("s.t", "w1"): "s.t.w1",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestGoldenActions: the numbers are on the wire, the names in the history, for ever.
func TestGoldenActions(t *testing.T) {
	t.Parallel()
	golden := []struct {
		name, subject string
		scope         messages.Scope
	}{
		1:  {"read", messages.ReadSubject, messages.ScopeUser},
		2:  {"read-number", messages.ReadSubject, messages.ScopeUser},
		3:  {"read-value", messages.ReadSubject, messages.ScopeUser},
		4:  {"read-effective", messages.ReadSubject, messages.ScopeUser},
		5:  {"read-version", messages.ReadSubject, messages.ScopeUser},
		6:  {"history", messages.ReadSubject, messages.ScopeUser},
		7:  {"replace", messages.WriteSubject, messages.ScopeUser},
		8:  {"merge-patch", messages.WriteSubject, messages.ScopeUser},
		9:  {"json-patch", messages.WriteSubject, messages.ScopeUser},
		10: {"set-value", messages.WriteSubject, messages.ScopeUser},
		11: {"delete-value", messages.WriteSubject, messages.ScopeUser},
		12: {"delete", messages.WriteSubject, messages.ScopeUser},
		13: {"restore", messages.WriteSubject, messages.ScopeUser},
		14: {"erase", messages.WriteSubject, messages.ScopeUser},
		15: {"list-users", messages.ReadSubject, messages.ScopeService},
		16: {"read-schema", messages.ReadSubject, messages.ScopeSchema},
		17: {"put-schema", messages.WriteSubject, messages.ScopeSchema},
		18: {"delete-schema", messages.WriteSubject, messages.ScopeSchema},
		19: {"try-schema", messages.ReadSubject, messages.ScopeService},
		20: {"limits", messages.ReadSubject, messages.ScopeService},
		21: {"list-tokens", messages.ReadSubject, messages.ScopeService},
		22: {"create-token", messages.WriteSubject, messages.ScopeService},
		23: {"revoke-token", messages.WriteSubject, messages.ScopeService},
		24: {"used-tokens", messages.WriteSubject, messages.ScopeService},
		25: {"follow", messages.ReadSubject, messages.ScopeService},
		26: {"try", messages.ReadSubject, messages.ScopeUser},
	}
	if len(golden) != int(messages.LastAction)+1 {
		t.Errorf("%d actions, and %d are in the table above", messages.LastAction, len(golden)-1)
	}
	for i, want := range golden[1:] {
		a := messages.Action(i + 1)
		if a.String() != want.name || a.Subject() != want.subject || a.Scope() != want.scope ||
			a.Writes() != (want.subject == messages.WriteSubject) {
			t.Errorf("action %d: %s on %s, scope %d, writes: %v; want %+v", i+1, a, a.Subject(),
				a.Scope(), a.Writes(), want)
		}
	}
	for _, a := range []messages.Action{0, messages.LastAction + 1, 255} {
		if a.Writes() || !strings.HasPrefix(a.String(), "action ") {
			t.Errorf("action %d, which is unknown: %s, writes: %v", uint8(a), a, a.Writes())
		}
	}
}

// TestChangedSubject: no id reaches beyond its own subject, whatever is in it.
func TestChangedSubject(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{
		"42": "settings.v1.changed.NDI", ">": "settings.v1.changed.Pg",
		"*": "settings.v1.changed.Kg", "a.b c": "settings.v1.changed.YS5iIGM",
		"日本": "settings.v1.changed.5pel5pys", "~~~": "settings.v1.changed.fn5-",
	} {
		if got := messages.ChangedSubject(user); got != want {
			t.Errorf("%q: %s, want %s", user, got, want)
		}
	}
}
