package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/outset-settings/outset/bench/load"
	"github.com/outset-settings/outset/bench/process"
)

// side is one of those who are compared, while it runs.
type side struct {
	name     string
	kind     string // outset, direct, hono or static
	base     string // of its URLs
	database string // URL; empty: it has none
	parts    []process.Part
	methods  map[string]string // by operation: how it is asked for; what is missing it can't do
	monitor  string            // URL of its NATS server's figures; empty: it has none
	workers  int

	running []*process.Process
}

// What is asked of the sides.
const (
	read    = "read"
	replace = "replace"
	patch   = "patch"
)

var (
	allMethods = map[string]string{
		read: http.MethodGet, replace: http.MethodPut, patch: http.MethodPatch,
	}
	staticMethods = map[string]string{read: http.MethodGet, replace: http.MethodPut}
	honoMethods   = map[string]string{read: http.MethodGet, replace: http.MethodPost}
)

// stop stops its processes, the last first.
func (s *side) stop() {
	for _, p := range slices.Backward(s.running) {
		p.Stop()
	}
}

// run starts a process of the side, whose use is counted under a name. All get wakeful; Hono, which
// isn't in Go, doesn't look at it.
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

// serves waits until the side answers a first request.
func (s *side) serves(ctx context.Context, p *process.Process) error {
	return p.Until(ctx, process.Serves(s.base+load.Path(0)))
}

// start starts a side on its kind's database with the lab's users.
func (l *lab) start(ctx context.Context, name string) (*side, error) {
	what, err := parseSpec(name)
	if err != nil {
		return nil, err
	}
	if what.kind == "static" {
		return l.startStatic(ctx)
	}
	url, err := l.database(ctx, what.kind, l.users)
	if err != nil {
		return nil, err
	}
	switch what.kind {
	case "hono":
		return l.startHono(ctx, url)
	case "direct":
		return l.startDirect(ctx, what, url)
	}
	what.number = cmp.Or(what.number, l.options.workers)
	return l.startOutset(ctx, what, url)
}

func (l *lab) startStatic(ctx context.Context) (*side, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	addr := local(ports[0])
	s := &side{name: "static", kind: "static", base: "http://" + addr, methods: staticMethods}
	p, err := s.run(ctx, l, "http", "static", nil, l.program("static"), "-http", addr)
	return s.started(err, func() error { return s.serves(ctx, p) })
}

func (l *lab) startDirect(ctx context.Context, what spec, database string) (*side, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	addr := local(ports[0])
	s := &side{
		name: what.name, kind: what.kind, base: "http://" + addr, database: database,
		methods: allMethods,
	}
	args := []string{"-http", addr, "-database", database}
	if what.number > 0 {
		args = append(args, "-connections", strconv.Itoa(what.number))
	}
	p, err := s.run(ctx, l, "http", what.file(), what.env, l.program("direct"), args...)
	return s.started(err, func() error { return s.serves(ctx, p) })
}

// startHono starts three copies of the Hono peer behind nginx.
func (l *lab) startHono(ctx context.Context, database string) (*side, error) {
	const copies = 3
	ports, err := freePorts(1 + copies)
	if err != nil {
		return nil, err
	}
	env, err := libpqEnv(database)
	if err != nil {
		return nil, err
	}
	s := &side{
		name: "hono", kind: "hono", base: "http://" + local(ports[0]), database: database,
		methods: honoMethods,
	}
	script, err := filepath.Abs(filepath.Join(l.hono, "run.sh"))
	if err != nil {
		return nil, err
	}
	// The driver takes the socket from the environment only.
	p, err := s.run(ctx, l, "node", "hono", env, script, "postgres:///"+databaseName(database),
		strconv.Itoa(copies), strconv.Itoa(ports[0]))
	if err == nil {
		s.parts = []process.Part{
			{Name: "node", PID: p.PID(), Command: "node"},
			{Name: "nginx", PID: p.PID(), Command: "nginx"},
		}
	}
	return s.started(err, func() error {
		// The copies first: nginx asks none for ten seconds after they have refused it.
		for _, port := range ports[1:] {
			if err := p.Until(ctx, process.Serves("http://"+local(port)+load.Path(0))); err != nil {
				return err
			}
		}
		return s.serves(ctx, p)
	})
}

// honoMissing says why Hono can't take part, if it can't.
func (l *lab) honoMissing() string {
	for _, program := range []string{"node", "nginx"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed"
		}
	}
	if _, err := os.Stat(filepath.Join(l.hono, "run.sh")); err != nil {
		return "there is no run.sh in " + l.hono
	}
	return ""
}

// started returns the side if it came up, and else stops what there is of it.
func (s *side) started(err error, up func() error) (*side, error) {
	if err == nil {
		err = up()
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return s, nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts returns ports in a row that nobody listens on.
func freePorts(n int) ([]int, error) {
	for try := 0; ; try++ {
		ports, err := portsInARow(n)
		if err == nil || try == 100 {
			return ports, err
		}
	}
}

func portsInARow(n int) (ports []int, err error) {
	next := 0
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", local(next))
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return nil, fmt.Errorf("not an address of TCP: %v", l.Addr())
		}
		ports = append(ports, addr.Port)
		next = addr.Port + 1
	}
	return ports, nil
}
