//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
		"":                         "help version up top migrate get set edit unset patch delete history restore watch users import export schema token completion",
		"u":                        "up unset users",
		"x":                        "",
		"schema ":                  "get set delete check",
		"schema s":                 "set",
		"completion ":              "bash zsh fish",
		"patch --t":                "--token-file --type",
		"patch --type ":            "auto merge json",
		"patch --type m":           "merge",
		"patch --type merge --if":  "--if-match",
		"get 42 --e":               "--effective",
		"up --log-f":               "--log-format",
		"up --log-format ":         "auto text json",
		"--vers":                   "--version",
		"patch --type =":           "auto merge json", // as bash has it
		"patch --type = m":         "merge",
		"patch --type = m --if":    "--if-match",
		"patch --type=":            "--type=auto --type=merge --type=json",
		"patch --type=m":           "--type=merge",
		"get --no":                 "--no-json",
		"schema get --no-json --s": "--server",
		"--server a ge":            "get",
		"users --json --up":        "--updated-since",
		"get ":                     "", // ids and paths can't be listed
		"get 42 ":                  "",
		"set 42 theme ":            "",
		"completion x":             "",
		"completion bash ":         "",
		"patch --type x":           "",
		"import ":                  ":files",
		"import a ":                "",
		"schema check --json ":     ":files",
		"get --token-file ":        ":files",
		"get --token-file=":        ":files",
		"get --token-file = ":      ":files",
		"--token-file a get ":      "",
		"up --data ":               ":files",
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

// TestCompletionScripts completes words in each shell that is installed. The folder is listed only
// where a file is expected.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	s := newShell(t, "http://127.0.0.1:1")
	if err := errors.Join(os.Mkdir(filepath.Join(s.dir, "bin"), 0o700),
		os.Symlink(os.Args[0], filepath.Join(s.dir, "bin", "outset"))); err != nil {
		t.Fatal(err)
	}
	shells := map[string]string{
		"bash": `eval "$(outset completion bash)"
			COMP_WORDS=(%s) COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _outset
			printf '%%s\n' "${COMPREPLY[@]}"`,
		"zsh": `compdef() { :; }; compset() { :; }; _files() { ls; }
			eval "$(outset completion zsh)"
			words=(%s) CURRENT=$#words; compadd() { eval "printf '%%s\n' \${$2}"; }; _outset`,
		"fish": `outset completion fish | source; set words %s
			complete -C (string join ' ' -- $words)`,
	}
	for shell, script := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip(err)
			}
			for words, want := range map[string]string{
				"bin/outset schema s":            "set",
				"bin/outset get ''":              "",
				"bin/outset patch 42 --type ''":  "auto\nmerge\njson",
				"bin/outset patch 42 --type x":   "",
				"bin/outset import ''":           "bin",
				"bin/outset get --token-file ''": "bin",
			} {
				c := exec.CommandContext(t.Context(), shell, "-c", fmt.Sprintf(script, words))
				c.Dir, c.Env = s.dir, s.env
				got, err := c.CombinedOutput()
				if shell == "fish" { // it sorts, and marks folders
					got = bytes.ReplaceAll(got, []byte("/"), nil)
					want = strings.Join(slices.Sorted(strings.SplitSeq(want, "\n")), "\n")
				}
				if err != nil && shell != "zsh" || strings.TrimSpace(string(got)) != want {
					t.Errorf("%s: %q, %v; want %q", words, got, err, want)
				}
			}
		})
	}
}
