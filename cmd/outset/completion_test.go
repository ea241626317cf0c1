//go:build unix

package main

import (
	"fmt"
	"os/exec"
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
		"":                        "up workers get set unset patch delete history restore watch users import export schema completion",
		"u":                       "up unset users",
		"x":                       "",
		"schema ":                 "get set delete check",
		"schema s":                "set",
		"completion ":             "bash zsh fish",
		"patch --t":               "--type",
		"patch --type ":           "auto merge json",
		"patch --type m":          "merge",
		"patch --type merge --if": "--if-version",
		"get 42 --e":              "--effective",
		"--log-f":                 "--log-format",
		"--log-format ":           "auto text json",
		"--log-format text wo":    "workers",
		"import ":                 "", // a file
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

// TestCompletionScripts has the shells that are there complete a command.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	s := newShell(t, "http://127.0.0.1:1")
	for shell, command := range map[string]string{
		"bash": `COMP_WORDS=(outset schema s) COMP_CWORD=2; _outset; printf '%s\n' "${COMPREPLY[@]}"`,
		"zsh":  `words=(outset schema s) CURRENT=3; compadd() { eval "printf '%s\n' \${$2}"; }; _outset`,
		"fish": `complete -C 'outset schema s'`,
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
			c.Env = s.env
			got, err := c.CombinedOutput()
			if err != nil || strings.TrimSpace(string(got)) != "set" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
