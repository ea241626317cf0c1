package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/outset-settings/outset/internal/program"
)

// completion prints a shell's script. The libraries for it have not been kept for years, and it is not much.
type completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish"`
}

// Help tells where to put the script.
func (completion) Help() string {
	return `
	bash:  source <(outset completion bash)       in ~/.bashrc
	zsh:   source <(outset completion zsh)        in ~/.zshrc, after compinit
	fish:  outset completion fish | source        in ~/.config/fish/config.fish
`
}

// scripts ask `outset complete` for what may stand in the place of the last of the words. Where that is nothing the
// shell offers files.
var scripts = map[string]string{
	"bash": `_outset() {
  local IFS=$'\n'
  COMPREPLY=($(outset complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _outset outset
`,
	"zsh": `_outset() {
  local -a found
  found=("${(@f)$(outset complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n $found ]]; then compadd -a found; else _files; fi
}
compdef _outset outset
`,
	"fish": `complete -c outset -a '(outset complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
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
func completions(node *kong.Node, words []string) []string {
	last := ""
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if n := len(words); n > 0 {
		words, last = words[:n-1], words[n-1]
	}
	var pending *kong.Flag // the flag whose value comes next
	for _, word := range words {
		flag, child := flagOf(node, word), childOf(node, word)
		switch {
		case pending != nil:
			pending = nil
		case flag != nil && !flag.IsBool():
			pending = flag
		case child != nil:
			node = child
		}
	}
	var all []string
	switch {
	case pending != nil:
		all = pending.EnumSlice()
	case strings.HasPrefix(last, "-"):
		for _, flag := range flagsOf(node) {
			all = append(all, "--"+flag.Name)
		}
	default:
		for _, child := range node.Children {
			if !child.Hidden {
				all = append(all, child.Name)
			}
		}
		for _, p := range node.Positional {
			all = append(all, p.EnumSlice()...)
		}
	}
	return slices.DeleteFunc(all, func(word string) bool { return !strings.HasPrefix(word, last) })
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// flagOf returns the flag that a word is whose value is another word.
func flagOf(node *kong.Node, word string) *kong.Flag {
	for _, flag := range flagsOf(node) {
		if word == "--"+flag.Name {
			return flag
		}
	}
	return nil
}

func flagsOf(node *kong.Node) []*kong.Flag { return slices.Concat(node.AllFlags(true)...) }
