package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// The embedded server drops a client that answers no ping for 10 s; its default is 4 minutes.
const (
	natsPingInterval = 5 * time.Second
	natsMaxPings     = 2
	natsStart        = 30 * time.Second
)

// startNATS returns an embedded NATS server that accepts connections at addr. It listens on TCP, so
// that `outset workers`, `nats` and other workers can connect.
func startNATS(addr string) (*server.Server, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("NATS_ADDR: %w", err)
	}
	// The server itself would only log that the address is taken.
	probe, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("NATS_ADDR: %w; choose another address with --nats, "+
			"or use the server there with NATS_URL", err)
	}
	if err != nil {
		return nil, fmt.Errorf("NATS_ADDR: %w", err)
	}
	_ = probe.Close()
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("NATS_ADDR: %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "outset", Host: host, Port: port,
		NoSigs: true, NoLog: true,
		PingInterval: natsPingInterval, MaxPingsOut: natsMaxPings,
	})
	if err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	go s.Start()
	if !s.ReadyForConnections(natsStart) {
		s.Shutdown()
		return nil, errors.New("NATS: the embedded server did not start")
	}
	return s, nil
}
