package main

import (
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/internal/program"
)

// queue is the NATS server that `outset up` uses, and who we are there: with a server of our own a
// role for each connection, with another's NATSIdentity for all of them.
type queue struct {
	program.NATS
	own    *localnats.Server // nil: another's
	keysIn string            // data directory in which its keys are, or ""
}

// openQueue starts a NATS server unless it is given one.
func (u up) openQueue() (*queue, error) {
	if u.NATSURL != "" {
		return &queue{NATS: program.NATS{URL: u.NATSURL, NATSIdentity: u.NATSIdentity}}, nil
	}
	own, err := localnats.Start(u.NATSAddr)
	if err != nil {
		return nil, err
	}
	return &queue{NATS: program.NATS{URL: own.URL()}, own: own}, nil
}

// as is an option of a connection that has this role.
func (q *queue) as(role localnats.Role) nats.Option {
	if q.own == nil {
		return func(*nats.Options) error { return nil }
	}
	return q.own.As(role)
}

// saveKeys saves the keys of our own server in the data directory, for `outset top` and other
// programs of the same user. close removes them.
func (q *queue) saveKeys(data string) error {
	if q.own == nil {
		return nil
	}
	data, err := dataDir(data)
	if err != nil {
		return err
	}
	q.keysIn = data
	return q.own.SaveKeys(data)
}

func (q *queue) close(log *slog.Logger) {
	if q.own == nil {
		return
	}
	if q.keysIn != "" {
		if err := q.own.RemoveKeys(q.keysIn); err != nil {
			log.Warn("useless keys are left", "error", err)
		}
	}
	q.own.Stop()
}
