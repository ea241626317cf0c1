package messages_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
)

// TestProof: a proof is of one secret, and doesn't tell it. What it is can't change, since the
// programs of both sides make it.
func TestProof(t *testing.T) {
	t.Parallel()
	r := messages.Request{Secret: []byte("sixteen bytes of")}
	if got := hex.EncodeToString(r.Proof()); got != "e1c1a1e067339d474dd5201fd8d90896" {
		t.Errorf("the proof is %s", got)
	}
	if (&messages.Request{}).Proof() != nil {
		t.Error("there is a proof without a secret")
	}
	if a, b := messages.NewSecret(), messages.NewSecret(); bytes.Equal(a, b) || len(a) < 16 {
		t.Errorf("two secrets: %x, %x", a, b)
	}
}

// TestSecretOfUnreadable: the refusal of a request that can't be read has its proof, too.
func TestSecretOfUnreadable(t *testing.T) {
	t.Parallel()
	secret := bytes.Repeat([]byte("s"), messages.MaxSecret)
	for name, operations := range map[string]string{
		"operations are no list": "\x01\x61x", "there is no operation": "\x01\x80",
	} {
		r, err := messages.DecodeRequest([]byte("\xa2" + operations + "\x02\x58\x40" + string(secret)))
		if err == nil || !bytes.Equal(r.Secret, secret) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	long, err := messages.EncodeRequest(messages.Request{
		Operations: []messages.Operation{{Action: messages.ActionLimits}}, Secret: append(secret, 's'),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := messages.DecodeRequest(long); err == nil || r.Secret != nil {
		t.Errorf("a long secret: %+v, %v", r, err)
	}
}
