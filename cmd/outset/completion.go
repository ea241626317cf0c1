package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/program"
)

// completion prints a shell's script, which asks the hidden command complete.
//
// The libraries for this do less. kong-completion 0.0.4, tried in bash, zsh and fish, doesn't know
// negated flags (--no-json), completes "--type=m" to nothing or in bash to the names of files, and
// in fish keeps the shell from completing files. It also takes any start of the program with
// COMP_LINE in the environment for a completion. king writes scripts that don't follow the program
// when it is upgraded.
type completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish"`
}

// Help tells where to put the script.
func (completion) Help() string {
	return `Add this line to a file that your shell reads when it starts:

	bash:  source <(outset completion bash)       in ~/.bashrc
	zsh:   source <(outset completion zsh)        in ~/.zshrc, after compinit
	fish:  outset completion fish | source        in ~/.config/fish/config.fish
`
}

// scripts run the outset that is being typed to complete the last word. If it has no completions
// the shell completes file names.
var scripts = map[string]string{
	"bash": `_outset() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]/#\~/$HOME}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _outset outset
`,
	"zsh": `_outset() {
  local -a found
  found=("${(@f)$("${words[1]/#\~/$HOME}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n $found ]]; then compadd -a found; else _files; fi
}
compdef _outset outset
`,
	"fish": `complete -c outset -a '(set -l w (commandline -opc); eval $w[1] complete -- (string escape -- $w[2..] (commandline -ct)) 2>/dev/null)'
`,
}

// Run prints the script.
func (c completion) Run(stdout io.Writer) error {
	_, err := io.WriteString(stdout, scripts[c.Shell])
	return err
}

// complete prints the completions of the last word.
type complete struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"the words after outset, up to the one to be completed"`
}

// Run prints one completion in each line.
func (c complete) Run(stdout io.Writer) error {
	parser, err := program.Parser("outset", "", &cli{})
	if err != nil {
		return err
	}
	for _, word := range completions(parser.Model.Node, c.Words) {
		if _, err := fmt.Fprintln(stdout, word); err != nil {
			return err
		}
	}
	return nil
}

// completions returns the commands, the flags or the values of a flag that begin with the last
// word. bash splits --flag=value into three words, other shells don't.
func completions(node *kong.Node, words []string) []string {
	last := ""
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if n := len(words); n > 0 {
		words, last = words[:n-1], strings.TrimPrefix(words[n-1], "=")
	}
	node, pending := follow(node, words)
	if name, _, found := strings.Cut(last, "="); found && findFlag(node, name) != nil {
		var all []string
		for _, value := range findFlag(node, name).EnumSlice() {
			all = append(all, name+"="+value)
		}
		return withPrefix(last, all)
	}
	if pending != nil {
		return withPrefix(last, pending.EnumSlice())
	}
	if strings.HasPrefix(last, "-") {
		var all []string
		for _, flag := range allFlags(node) {
			all = append(all, flagNames(flag)...)
		}
		return withPrefix(last, all)
	}
	var all []string
	for _, child := range node.Children {
		if !child.Hidden {
			all = append(all, child.Name)
		}
	}
	for _, p := range node.Positional {
		all = append(all, p.EnumSlice()...)
	}
	return withPrefix(last, all)
}

// follow returns the command that the words lead to, and the flag whose value comes next, if any.
func follow(node *kong.Node, words []string) (_ *kong.Node, pending *kong.Flag) {
	for _, word := range words {
		flag, child := findFlag(node, word), findChild(node, word)
		switch {
		case word == "=":
		case pending != nil:
			pending = nil
		case flag != nil && !flag.IsBool():
			pending = flag
		case child != nil:
			node = child
		}
	}
	return node, pending
}

func withPrefix(prefix string, all []string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, prefix) })
}

func findChild(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// findFlag returns the flag that a word names, or nil.
func findFlag(node *kong.Node, word string) *kong.Flag {
	for _, flag := range allFlags(node) {
		if slices.Contains(flagNames(flag), word) {
			return flag
		}
	}
	return nil
}

func allFlags(node *kong.Node) []*kong.Flag { return slices.Concat(node.AllFlags(true)...) }

// flagNames returns the names of a flag: two if it can be negated.
func flagNames(flag *kong.Flag) []string {
	if flag.Tag.Negatable != "" {
		return []string{"--" + flag.Name, "--no-" + flag.Name}
	}
	return []string{"--" + flag.Name}
}
