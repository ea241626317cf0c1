package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/outset-settings/outset/bench/report"
)

// describe says where and of what it is measured.
func (l *lab) describe(ctx context.Context) (report.Machine, []report.Version, error) {
	dir := l.dir
	if l.data != "" {
		dir = l.data
	}
	machine, err := report.ThisMachine(dir)
	if err != nil {
		return machine, nil, err
	}
	versions := []report.Version{
		{Of: "Go", Is: strings.TrimPrefix(runtime.Version(), "go")},
		{Of: "Postgres", Is: l.setting(ctx, "server_version")},
	}
	for program, library := range map[string]string{
		"queue": "nats-io/nats-server", "worker": "nats-io/nats.go", "api": "gofiber/fiber",
		"static": "valyala/fasthttp", "direct": "jackc/pgx",
	} {
		versions = append(versions, report.Version{
			Of: library, Is: l.linked(program, "github.com/"+library),
		})
	}
	slices.SortFunc(versions, func(a, b report.Version) int {
		return strings.Compare(strings.ToLower(a.Of), strings.ToLower(b.Of))
	})
	for _, program := range [][]string{{"node", "--version"}, {"nginx", "-v"}, {"wrk", "-v"}} {
		versions = append(versions, report.Version{
			Of: program[0], Is: versionOf(ctx, program[0], program[1]),
		})
	}
	for _, name := range []string{
		"fsync", "synchronous_commit", "full_page_writes",
		"shared_buffers", "max_wal_size",
	} {
		l.report.Settings = append(l.report.Settings, report.Version{
			Of: name, Is: l.setting(ctx, name),
		})
	}
	l.report.Settings = append(l.report.Settings,
		report.Version{Of: "users", Is: fmt.Sprint(l.users)}, report.Version{
			Of: "workers", Is: fmt.Sprint(l.options.workers),
		})
	return machine, versions, nil
}

// linked is the version of a library in one of the programs.
func (l *lab) linked(program, library string) string {
	info, err := buildinfo.ReadFile(l.program(program))
	if err != nil {
		return "?"
	}
	for _, m := range info.Deps {
		if m.Path == library || strings.HasPrefix(m.Path, library+"/v") {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return "?"
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

// versionOf is what a program says of its version.
func versionOf(ctx context.Context, name, flag string) string {
	// wrk says it with an exit code of 1
	out, _ := exec.CommandContext(ctx, name, flag).CombinedOutput()
	if v := versionNumber.Find(out); v != nil {
		return string(v)
	}
	return "(none)"
}

// commit is what is measured.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--exclude",
		"*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
