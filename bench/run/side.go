package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/bench/load"
	"github.com/outset-settings/outset/bench/process"
)

// side is a running competitor.
type side struct {
	spec
	base     string // of its URLs
	database string // URL; empty: none
	parts    []process.Part
	monitor  string // URL of its NATS server's /connz; empty: none
	workers  int
	tokens   []string // of the users, by number; nil: the side asks for none

	running []*process.Process
}

// operation is what a side is asked to do, as it is spelled in a benchmark's name.
type operation string

const (
	read      operation = "Read"
	write     operation = "Write"     // replaces a document
	patch     operation = "Patch"     // merges one key
	firstSave operation = "FirstSave" // writes the document of a user who has none
)

// method returns the HTTP method of an operation; empty if the side cannot do it.
func (s *side) method(o operation) string {
	switch {
	case o == read:
		return http.MethodGet
	case o == patch && (s.kind == "outset" || s.kind == "direct"):
		return http.MethodPatch
	case o == write && s.kind == "hono", o == firstSave && s.kind == "hono":
		return http.MethodPost
	case o == write, o == firstSave && s.kind != "static":
		return http.MethodPut
	}
	return ""
}

func newSide(what spec, database string, port int) *side {
	return &side{spec: what, base: "http://" + local(port), database: database}
}

// url returns where the settings of the n-th user are.
func (s *side) url(n int) string { return s.base + load.Path(n) }

// stop stops its processes, the last first.
func (s *side) stop() {
	for _, p := range slices.Backward(s.running) {
		p.Stop()
	}
}

// run starts a process, whose usage counts for a part of the side.
func (s *side) run(ctx context.Context, l *lab, part, log string, env []string, program string,
	args ...string,
) (*process.Process, error) {
	p, err := process.Start(ctx, l.dir, log, append([]string{wakeful}, env...), program, args...)
	if err != nil {
		return nil, err
	}
	s.running = append(s.running, p)
	s.parts = append(s.parts, process.Part{Name: part, PID: p.PID()})
	return p, nil
}

// started returns the side, or stops what runs of it if there is an error.
func (s *side) started(err error) (*side, error) {
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return s, nil
}

// start starts a side on a database with the lab's users.
func (l *lab) start(ctx context.Context, what spec) (*side, error) {
	if what.kind == "static" {
		return l.startHTTP(ctx, what, "", "helper", "static")
	}
	database, created, err := l.database(ctx, what)
	if err != nil {
		return nil, err
	}
	if what.kind == "outset" {
		s, err := l.startOutset(ctx, what, database)
		if err != nil || !created {
			return s, err
		}
		return s.started(l.seedOutset(ctx, s))
	}
	if created {
		if err := l.seed(ctx, database, schemas[what.kind]); err != nil {
			return nil, err
		}
	}
	if what.kind == "hono" {
		return l.startHono(ctx, what, database)
	}
	args := []string{"-database", database}
	if what.number > 0 {
		args = append(args, "-connections", strconv.Itoa(what.number))
	}
	return l.startHTTP(ctx, what, database, "direct", args...)
}

// startHTTP starts a side that is one program of this repository.
func (l *lab) startHTTP(
	ctx context.Context, what spec, database, program string, args ...string,
) (*side, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	s := newSide(what, database, ports[0])
	args = append(args, "-http", local(ports[0]))
	p, err := s.run(ctx, l, "http", what.label(), what.env, l.program(program), args...)
	if err == nil {
		err = p.Until(ctx, process.Serves(s.url(0)))
	}
	return s.started(err)
}

// startHono starts three copies of the Hono peer behind nginx.
func (l *lab) startHono(ctx context.Context, what spec, database string) (*side, error) {
	const copies = 3
	ports, err := freePorts(1 + copies)
	if err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	script, err := filepath.Abs(filepath.Join(l.Hono, "run.sh"))
	if err != nil {
		return nil, err
	}
	s := newSide(what, database, ports[0])
	// Its driver takes the socket from the environment only.
	env := []string{"PGHOST=" + config.Host, "PGPORT=5432", "PGUSER=" + config.User}
	p, err := s.run(ctx, l, "http", "hono", env, script, "postgres:///"+config.Database,
		strconv.Itoa(copies), strconv.Itoa(ports[0]))
	if err != nil {
		return nil, err
	}
	// The copies first: nginx avoids one that has refused it for ten seconds.
	for _, port := range append(ports[1:], ports[0]) {
		err = errors.Join(err, p.Until(ctx, process.Serves("http://"+local(port)+load.Path(0))))
	}
	return s.started(err)
}

// honoMissing returns why Hono cannot take part; empty if it can.
func (l *lab) honoMissing() string {
	if l.Hono == "" {
		return "-hono is not set"
	}
	for _, program := range []string{"node", "nginx"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
	}
	return ""
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts returns consecutive ports that nobody listens on. They are below those that the kernel
// gives to clients.
func freePorts(n int) (ports []int, err error) {
	port := 10_000 + rand.IntN(20_000)
	for tries := 100; tries > 0 && len(ports) < n; tries-- {
		var l net.Listener
		if l, err = net.Listen("tcp", local(port)); err != nil {
			ports = nil
		} else {
			_ = l.Close()
			ports = append(ports, port)
		}
		port++
	}
	return ports, err
}
