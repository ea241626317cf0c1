package api

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/outset-settings/outset/pkg/messages"
)

// refuseConnection answers a connection that there is no room for, before it has sent anything, and
// ends it. Whoever speaks TLS sees the end only: a handshake would take time and memory.
func refuseConnection(c net.Conn) {
	if _, secure := c.(*tls.Conn); !secure {
		_ = c.SetWriteDeadline(time.Now().Add(time.Millisecond)) // it fits in the kernel's buffer
		_, _ = c.Write(noRoomForConnection)
	}
	_ = c.Close()
}

var noRoomForConnection = func() []byte {
	entry := statuses[messages.KindOverloaded]
	p := problem{
		kind:   messages.KindOverloaded,
		detail: "there are as many connections in use as may be, or as one address may have",
	}
	body, err := p.body(entry.status, entry.title, "/", "")
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n"+
		"Content-Length: %d\r\nRetry-After: %s\r\nConnection: close\r\n\r\n%s",
		entry.status, entry.title, len(body), retryAfter, body)
}()
