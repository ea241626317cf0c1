// Package localnats runs a NATS server in this process, for `outset up` and for tests.
//
// It lets in only who has one of its keys, which it makes anew at each start, and gives them the
// permissions of deploy/nats-roles.conf. It listens on TCP, so that other processes of the same
// user can connect: they find the keys where [Server.SaveKeys] put them.
package localnats

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/outset-settings/outset/deploy"
)

// The server drops a client that answers no ping for 10 s; its default is 4 minutes.
const (
	pingInterval = 5 * time.Second
	maxPings     = 2
	startTimeout = 30 * time.Second
)

// Role is what a client of the server is, and so what it may do.
type Role string

// The roles of deploy/nats-roles.conf.
const (
	API      Role = "api"
	Worker   Role = "worker"
	Operator Role = "operator"
)

// Server is a running server. Whoever got it from Start calls Stop.
type Server struct {
	server  *server.Server
	started *server.Options
	keys    map[Role]nkeys.KeyPair
}

// Start returns a server that accepts connections at addr. Port 0 takes a free one.
func Start(addr string) (*Server, error) {
	host, port, err := split(addr)
	if err != nil {
		return nil, err
	}
	s := &Server{keys: make(map[Role]nkeys.KeyPair)}
	options, err := s.options()
	if err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	options.ServerName, options.Host, options.Port = "outset", host, port
	options.NoSigs, options.NoLog = true, true
	options.PingInterval, options.MaxPingsOut = pingInterval, maxPings
	if err := s.run(options); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) run(options *server.Options) (err error) {
	s.started = options.Clone()
	if s.server, err = server.NewServer(options); err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	go s.server.Start()
	if !s.server.ReadyForConnections(startTimeout) {
		s.Stop()
		return errors.New("NATS: the embedded server did not start")
	}
	if address, ok := s.server.Addr().(*net.TCPAddr); ok {
		s.started.Port = address.Port
	}
	return nil
}

// StartAgain starts the server after a Stop, at the same address and with the same keys.
func (s *Server) StartAgain() error { return s.run(s.started) }

// split returns the parts of an address that is free.
func split(addr string) (host string, port int, err error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("NATS_ADDR: %w", err)
	}
	// The server itself would only log that the address is taken.
	probe, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", 0, fmt.Errorf("NATS_ADDR: %w; choose another address with --nats, "+
			"or use the server there with NATS_URL", err)
	}
	if err != nil {
		return "", 0, fmt.Errorf("NATS_ADDR: %w", err)
	}
	_ = probe.Close()
	if port, err = strconv.Atoi(portText); err != nil {
		return "", 0, fmt.Errorf("NATS_ADDR: %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// options makes the keys, and returns the options of a server that knows them.
func (s *Server) options() (*server.Options, error) {
	var definitions string
	for _, key := range deploy.NATSKeys {
		pair, err := nkeys.CreateUser()
		if err != nil {
			return nil, err
		}
		public, err := pair.PublicKey()
		if err != nil {
			return nil, err
		}
		s.keys[Role(key.Role)] = pair
		definitions += key.Variable + ": " + public + "\n"
	}
	options := new(server.Options)
	err := options.ProcessConfigString(definitions + deploy.NATSRoles)
	return options, err
}

// URL is where the server listens.
func (s *Server) URL() string { return s.server.ClientURL() }

// As is an option of a connection to this server, which makes it one of the role's.
func (s *Server) As(role Role) nats.Option {
	pair := s.keys[role]
	public, err := pair.PublicKey()
	if err != nil {
		return func(*nats.Options) error { return err }
	}
	return nats.Nkey(public, pair.Sign)
}

// Stop ends all connections, and returns when the server has ended.
func (s *Server) Stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}
