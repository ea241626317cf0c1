package program

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"
)

const logEvery = 30 * time.Second // while there is no connection

// attempts logs why attempts to connect fail. There are several a second.
type attempts struct {
	log       *slog.Logger // names the connection
	server    NATS
	nobody    rate.Sometimes // there
	otherwise rate.Sometimes
}

func (n NATS) attempts(log *slog.Logger) *attempts {
	return &attempts{
		log: log, server: n, nobody: rate.Sometimes{First: 1, Interval: logEvery},
		otherwise: rate.Sometimes{First: 1, Interval: logEvery},
	}
}

// failed is told of every attempt. The error is nil if another handler has told of it.
func (a *attempts) failed(err error) {
	if err == nil {
		return
	}
	about := []any{"url", a.server.String(), "error", err}
	if errors.Is(err, nats.ErrAuthorization) {
		// It goes on all the same: a new key may be on its way, to us or to the server.
		about = append(about, "reason",
			cmp.Or(a.server.Refused(), "neither NATS_NKEY nor NATS_CREDS is set"))
	}
	often := &a.otherwise
	var network *net.OpError
	if errors.Is(err, nats.ErrNoServers) || errors.As(err, &network) && network.Op == "dial" {
		often = &a.nobody // which must not hide what is wrong once somebody is there
	}
	often.Do(func() { a.log.Warn("no connection to NATS; connecting goes on", about...) })
}

// Refused tells what is wrong with our identity if the server refuses it, or "" if we have none.
func (n NATS) Refused() string {
	switch {
	case n.NKey != "":
		return "the key in " + n.NKey + " (NATS_NKEY) isn't known there"
	case n.Creds != "":
		return "the credentials in " + n.Creds + " (NATS_CREDS) aren't good there"
	case strings.Contains(n.URL, "@"):
		return "the password in NATS_URL isn't good there"
	}
	return ""
}
