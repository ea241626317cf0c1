//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/outset-settings/outset/internal/program"
)

func TestCompletions(t *testing.T) {
	t.Parallel()
	parser, err := program.Parser("outset", "", &cli{})
	if err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]string{
		"":                         "up workers migrate get set unset patch delete history restore watch users import export schema token completion",
		"u":                        "up unset users",
		"x":                        "",
		"schema ":                  "get set delete check",
		"schema s":                 "set",
		"completion ":              "bash zsh fish",
		"patch --t":                "--token-file --type",
		"patch --type ":            "auto merge json",
		"patch --type m":           "merge",
		"patch --type merge --if":  "--if-version",
		"get 42 --e":               "--effective",
		"up --log-f":               "--log-format",
		"up --log-format ":         "auto text json",
		"--vers":                   "--version",
		"patch --type =":           "auto merge json", // as bash has it
		"patch --type = m":         "merge",
		"patch --type = m --if":    "--if-version",
		"patch --type=":            "--type=auto --type=merge --type=json",
		"patch --type=m":           "--type=merge",
		"get --no":                 "--no-json",
		"schema get --no-json --s": "--server",
		"users --json --up":        "--updated-since",
		"import ":                  "", // a file
	} {
		got := completions(parser.Model.Node, append([]string{"--"}, strings.Split(words, " ")...))
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
	if got := completions(parser.Model.Node, nil); len(got) == 0 {
		t.Error("no words, no commands")
	}
}

// TestCompletionScripts completes a command in each shell that is installed.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	s := newShell(t, "http://127.0.0.1:1")
	if err := errors.Join(os.Mkdir(filepath.Join(s.dir, "bin"), 0o700),
		os.Symlink(os.Args[0], filepath.Join(s.dir, "bin", "outset"))); err != nil {
		t.Fatal(err)
	}
	for shell, command := range map[string]string{
		"bash": `COMP_WORDS=(bin/outset schema s) COMP_CWORD=2; _outset; printf '%s\n' "${COMPREPLY[@]}"`,
		"zsh":  `words=(bin/outset schema s) CURRENT=3; compadd() { eval "printf '%s\n' \${$2}"; }; _outset`,
		"fish": `complete -C 'bin/outset schema s'`,
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip(err)
			}
			script := map[string]string{
				"bash": `eval "$(outset completion bash)"; %s`,
				"zsh":  `compdef() { :; }; eval "$(outset completion zsh)"; %s`,
				"fish": `outset completion fish | source; %s`,
			}[shell]
			c := exec.CommandContext(t.Context(), shell, "-c", fmt.Sprintf(script, command))
			c.Dir, c.Env = s.dir, s.env
			got, err := c.CombinedOutput()
			if err != nil || strings.TrimSpace(string(got)) != "set" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
