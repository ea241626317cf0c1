package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/program"
)

// completion prints a shell's script. The libraries for it have not been kept for years, and it is
// not much.
type completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish"`
}

// Help tells where to put the script.
func (completion) Help() string {
	return `Put this into a file that your shell reads when it starts:

	bash:  source <(outset completion bash)       in ~/.bashrc
	zsh:   source <(outset completion zsh)        in ~/.zshrc, after compinit
	fish:  outset completion fish | source        in ~/.config/fish/config.fish
`
}

// scripts ask the outset that is being typed for what may stand in the place of the last of the
// words. Where that is nothing the shell offers files.
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

// complete prints completions.
type complete struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"the words after outset, up to the one to be completed"`
}

// Run prints what may stand in the place of the last word, a line each.
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

// completions are the commands, the flags or the values of a flag that begin as the last word does.
// bash makes three words of --flag=value, other shells one.
func completions(node *kong.Node, words []string) []string {
	last := ""
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if n := len(words); n > 0 {
		words, last = words[:n-1], strings.TrimPrefix(words[n-1], "=")
	}
	node, pending := reached(node, words)
	if name, _, found := strings.Cut(last, "="); found && flagOf(node, name) != nil {
		return beginning(last, prefixed(name+"=", flagOf(node, name).EnumSlice()))
	}
	if pending != nil {
		return beginning(last, pending.EnumSlice())
	}
	if strings.HasPrefix(last, "-") {
		var all []string
		for _, flag := range flagsOf(node) {
			all = append(all, namesOf(flag)...)
		}
		return beginning(last, all)
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
	return beginning(last, all)
}

// reached is the command that the words lead to, and the flag whose value comes next, if any.
func reached(node *kong.Node, words []string) (_ *kong.Node, pending *kong.Flag) {
	for _, word := range words {
		flag, child := flagOf(node, word), childOf(node, word)
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

func beginning(word string, all []string) []string {
	return slices.DeleteFunc(all, func(one string) bool { return !strings.HasPrefix(one, word) })
}

func prefixed(prefix string, all []string) (with []string) {
	for _, one := range all {
		with = append(with, prefix+one)
	}
	return with
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// flagOf returns the flag that a word is.
func flagOf(node *kong.Node, word string) *kong.Flag {
	for _, flag := range flagsOf(node) {
		if slices.Contains(namesOf(flag), word) {
			return flag
		}
	}
	return nil
}

func flagsOf(node *kong.Node) []*kong.Flag { return slices.Concat(node.AllFlags(true)...) }

// namesOf are the ways to spell a flag: one that may be negated has two.
func namesOf(flag *kong.Flag) []string {
	if flag.Tag.Negatable != "" {
		return []string{"--" + flag.Name, "--no-" + flag.Name}
	}
	return []string{"--" + flag.Name}
}
