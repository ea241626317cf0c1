package edge

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Listen listens on the address that a setting has. Its error names the setting, and what to do
// where another program has the address.
func Listen(setting, flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %w; choose another address with %s", setting, err, flag)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return l, nil
}
