//go:build unix

// Package localpg runs a PostgreSQL server of its own from the binaries that the machine has.
//
// `outset up` uses it with durable data that is kept between starts, the tests with throw-away
// data and fsync off (package pgtest). One directory belongs to one server at a time:
//
//	DIR/lock           flock'ed by the process that owns the server, holds its process id
//	DIR/data           the PostgreSQL data directory, mode 0700; appears whole or not at all
//	DIR/data.init-*    an initdb at work; a leftover of a killed one is removed at the next start
//	DIR/postgres.log   what initdb and the server say, with one older generation as .1
//
// The server listens on a Unix socket only, in the data directory (or in a private temporary one
// when that path is too long for a socket), so that nothing collides and nobody else can connect.
//
// PostgreSQL refuses to run as root. Started as root, everything of PostgreSQL runs as the owner
// of the existing data, else as the user postgres, else as nobody.
//
// The server lives in a session of its own: Ctrl-C at the terminal does not reach it, only Stop
// ends it. When its owner is killed, Linux sends it a fast shutdown; on other systems it stays
// and the next Start on the same directory stops it first.
package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// role is the superuser and also the name of the first database.
const role = "outset"

// Options say where the server keeps its data and how careful it is with them.
type Options struct {
	// Dir is the directory described in the package comment; made if missing.
	Dir string
	// Throwaway trades the safety of the data for speed: for tests only.
	Throwaway bool
	// Log gets a few lines about what was done besides starting, such as stopping an orphan.
	// PostgreSQL's own log is DIR/postgres.log. Nil: no lines.
	Log *slog.Logger
	// Settings are server settings that win over the package's own.
	Settings map[string]string
}

// Server is a running PostgreSQL server. Whoever got it from Start calls Stop, also when the
// server has died by itself: Stop releases the directory.
type Server struct {
	socket   *socketDir
	lock     *dirLock
	process  *process
	strategy string
	dir      string
	made     bool
}

// Start returns when the server accepts connections and has the database "outset". ctx bounds
// the start only; the server lives until Stop. An error leaves no process and no lock behind.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("local PostgreSQL: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := makeDir(o.Dir)
	if err != nil {
		return nil, err
	}
	// How CREATE DATABASE copies. Without fsync, copying files takes half the time that logging
	// each block does; with it, several times as long.
	s := &Server{strategy: "wal_log", dir: dir}
	if o.Throwaway {
		s.strategy = "file_copy"
	}
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	if s.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	c, err := openCluster(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	if err := c.stopOrphan(ctx); err != nil {
		return nil, err
	}
	if s.made, err = c.initialize(ctx); err != nil {
		return nil, err
	}
	if s.socket, err = c.newSocketDir(ctx); err != nil {
		return nil, err
	}
	if s.process, err = c.run(ctx, s.socket.path); err != nil {
		return nil, err
	}
	if err := s.ensureDatabase(ctx); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		return nil, errors.Join(err, s.process.stop(stopCtx))
	}
	return s, nil
}

// Stop shuts the server down (open transactions are rolled back, the data are written), waits for
// its end and releases the directory. When ctx ends first, the server is made to quit without
// writing its data, which the next start recovers from its log, and the error says so. Calling it
// again, also concurrently, waits for the same end.
func (s *Server) Stop(ctx context.Context) error {
	err := s.process.stop(ctx)
	s.release()
	if err != nil {
		return fmt.Errorf("local PostgreSQL: %w", err)
	}
	return nil
}

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Err is nil while the server runs and after Stop. If the server ended by itself, it says how, with
// the last lines of its log.
func (s *Server) Err() error { return s.process.Err() }

// Dir is the directory that it was started on.
func (s *Server) Dir() string { return s.dir }

// New tells whether Start has made the database, as there was none in the directory.
func (s *Server) New() bool { return s.made }

// PID is the process id of the server.
func (s *Server) PID() int { return s.process.pid }

func (s *Server) release() {
	s.socket.remove()
	s.lock.unlock()
}

// stopGrace is how long a server may take to stop where no caller's context bounds it. Its shutdown
// checkpoint writes at most shared_buffers, which takes a disk less than a second.
const stopGrace = 10 * time.Second
