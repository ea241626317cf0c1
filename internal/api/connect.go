package api

import (
	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/pkg/messages"
)

// Connections are those to NATS. Whoever can publish changes may flood one of them, and the replies
// to requests would wait behind that on the same connection.
type Connections struct {
	Requests *nats.Conn // to the workers
	Changes  *nats.Conn // of documents that are watched
}

// Connect makes the connections of an API, each with connect. The caller closes them.
func Connect(connect func(name string, options ...nats.Option) (*nats.Conn, error),
) (c Connections, err error) {
	if c.Requests, err = connect("outset api", nats.CustomInboxPrefix(messages.APIInbox)); err != nil {
		return c, err
	}
	quiet := nats.ConnectHandler(nil) // one line in the log is enough
	if c.Changes, err = connect("outset api, changes", quiet); err != nil {
		c.Requests.Close()
	}
	return c, err
}

// Close closes them.
func (c Connections) Close() {
	c.Requests.Close()
	c.Changes.Close()
}
