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

// filesWanted is what complete prints where the shell is to complete the names of files.
const filesWanted = ":files"

// scripts run the outset that is being typed to complete the last word. bash 3, that of macOS, has
// no compopt.
var scripts = map[string]string{
	"bash": `_outset() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]/#\~/$HOME}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  if [[ "${COMPREPLY[0]}" == ` + filesWanted + ` ]]; then
    COMPREPLY=()
    compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]#=}"))
  fi
}
complete -F _outset outset
`,
	"zsh": `_outset() {
  local -a found
  found=("${(@f)$("${words[1]/#\~/$HOME}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $found[1] == ` + filesWanted + ` ]]; then
    compset -P '--*='
    _files
  elif [[ -n $found ]]; then
    compadd -a found
  fi
}
compdef _outset outset
`,
	"fish": `function __outset_complete
  set -l words (commandline -opc)
  set -l last (commandline -ct)
  set -l found (eval $words[1] complete -- (string escape -- $words[2..] $last) 2>/dev/null)
  if test "$found[1]" = ` + filesWanted + `
    __fish_complete_path $last
  else if test -n "$found"
    printf '%s\n' $found
  end
end
complete -c outset -f -a '(__outset_complete)'
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

// completions returns the commands, the flags or the values that begin with the last word, or
// filesWanted. bash splits --flag=value into three words, other shells don't.
func completions(app *kong.Node, words []string) []string {
	last := ""
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if n := len(words); n > 0 {
		words, last = words[:n-1], strings.TrimPrefix(words[n-1], "=")
	}
	at := follow(app, words)
	if name, _, found := strings.Cut(last, "="); found && program.FindFlag(app, name) != nil {
		return valuesOf(program.FindFlag(app, name).Value, last, name+"=")
	}
	switch {
	case at.value != nil:
		return valuesOf(at.value, last, "")
	case strings.HasPrefix(last, "-"):
		return withPrefix(last, at.flags())
	case len(at.command.Children) > 0:
		return withPrefix(last, at.commands())
	case at.positional < len(at.command.Positional):
		return valuesOf(at.command.Positional[at.positional], last, "")
	}
	return nil
}

// place is where in a command line the next word stands.
type place struct {
	command    *kong.Node
	value      *kong.Value // of a flag that comes next, or nil
	positional int         // else the index of the argument
}

// follow returns where the words lead.
func follow(app *kong.Node, words []string) place {
	at := place{command: app}
	for _, word := range words {
		flag, child := program.FindFlag(app, word), findChild(at.command, word)
		switch {
		case word == "=":
		case at.value != nil:
			at.value = nil
		case flag != nil && !flag.IsBool():
			at.value = flag.Value
		case strings.HasPrefix(word, "-") && word != "-":
		case child != nil:
			at.command = child
		default:
			at.positional++
		}
	}
	return at
}

// flags are those that can stand here.
func (p place) flags() (all []string) {
	for _, flag := range slices.Concat(p.command.AllFlags(true)...) {
		all = append(all, program.FlagNames(flag)...)
	}
	return all
}

func (p place) commands() (all []string) {
	for _, child := range p.command.Children {
		if !child.Hidden {
			all = append(all, child.Name)
		}
	}
	return all
}

// valuesOf returns the values that a flag or an argument can have, each behind the prefix that the
// last word has too. Ids and paths of values can't be listed.
func valuesOf(v *kong.Value, last, prefix string) (all []string) {
	for _, kind := range []string{"FILE", "DIR"} {
		if strings.Contains(v.Tag.PlaceHolder, kind) || v.Name == strings.ToLower(kind) {
			return []string{filesWanted}
		}
	}
	for _, value := range v.EnumSlice() {
		all = append(all, prefix+value)
	}
	return withPrefix(last, all)
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
