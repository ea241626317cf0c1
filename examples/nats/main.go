// Command nats changes one setting of a user and prints what has become of them, with nothing
// between it and the workers but a NATS server. Any NATS client in any language can do the same:
// package messages describes the protocol. NATS_NKEY names the file with the seed of an nkey, where
// the server asks for one:
//
//	NATS_NKEY=api.nk go run ./examples/nats nats://127.0.0.1:4222 42 '{"theme":"dark"}'
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/outset-settings/outset/pkg/messages"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: nats URL USER PATCH")
	}
	// Who sends requests may hear replies below this prefix only.
	options := []nats.Option{nats.CustomInboxPrefix(messages.APIInbox)}
	if seed := os.Getenv("NATS_NKEY"); seed != "" {
		key, err := nats.NkeyOptionFromSeed(seed)
		if err != nil {
			return err
		}
		options = append(options, key)
	}
	nc, err := nats.Connect(args[0], options...)
	if err != nil {
		return err
	}
	defer nc.Close()
	// A retry must have the same id: however often it is sent, the patch is applied once.
	operation := messages.Operation{
		Action: messages.ActionMergePatch, User: args[1],
		ID: nuid.Next(), Document: []byte(args[2]),
	}
	request, err := messages.EncodeRequest(messages.Request{
		Operations: []messages.Operation{operation},
	})
	if err != nil {
		return err
	}
	reply, err := ask(nc, request)
	if err != nil {
		return err
	}
	if reply.Kind != "" {
		return fmt.Errorf("%s: %s", reply.Kind, reply.Detail)
	}
	r := reply.Results[0]
	if r.Kind != "" {
		return fmt.Errorf("%s: %s", r.Kind, r.Detail)
	}
	fmt.Printf("version %d: %s\n", r.Version, r.Document)
	return nil
}

// ask sends a request with one operation, and waits for the reply. A worker that needs a moment
// says every now and then that it is at it.
func ask(nc *nats.Conn, request []byte) (reply messages.Reply, err error) {
	inbox := nc.NewInbox()
	replies, err := nc.SubscribeSync(inbox)
	if err != nil {
		return reply, err
	}
	defer func() { _ = replies.Unsubscribe() }()
	if err := nc.PublishRequest(messages.WriteSubject, inbox, request); err != nil {
		return reply, err
	}
	for {
		m, err := replies.NextMsg(2 * time.Second)
		if err != nil {
			return reply, err
		}
		if reply, err = messages.DecodeReply(m.Data, 1); err != nil || !reply.Working {
			return reply, err
		}
	}
}
