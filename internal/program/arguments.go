package program

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// arrange puts the words of a command line into the order that kong reads: the command, its flags,
// and then the other words. So flags may stand anywhere, before the command too, and a negative
// number is a word like any other. Words after -- are no flags.
func arrange(app *kong.Node, words []string) []string {
	var flags, others []string
	command, path := app, []string(nil)
	for i := 0; i < len(words); i++ {
		word := words[i]
		child := childOf(command, word)
		switch {
		case takesAll(command):
			return words
		case word == "--":
			others = append(others, words[i+1:]...)
			i = len(words)
		case isFlag(word):
			if f := FindFlag(app, word); f != nil && !f.IsBool() && i+1 < len(words) &&
				!isFlag(words[i+1]) {
				i++
				word += "=" + words[i]
			}
			flags = append(flags, word)
		case child != nil && len(others) == 0:
			command, path = child, append(path, word)
		default:
			others = append(others, word)
		}
	}
	if len(others) > 0 {
		others = append([]string{"--"}, others...)
	}
	return slices.Concat(path, flags, others)
}

// takesAll tells whether a command reads its words itself.
func takesAll(command *kong.Node) bool {
	return len(command.Positional) > 0 && command.Positional[0].Passthrough
}

// isFlag tells whether a word is a flag. A single - stands for standard input, and no flag begins
// like a negative number.
func isFlag(word string) bool {
	return len(word) > 1 && word[0] == '-' && !strings.ContainsRune("0123456789.", rune(word[1]))
}

func childOf(command *kong.Node, name string) *kong.Node {
	i := slices.IndexFunc(command.Children, func(n *kong.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return command.Children[i]
}

// FindFlag returns the flag that a word like --name names, of the command or of one below it, or
// nil. Flags of the same name are of the same kind.
func FindFlag(command *kong.Node, word string) *kong.Flag {
	for _, flag := range command.Flags {
		if slices.Contains(FlagNames(flag), word) {
			return flag
		}
	}
	for _, child := range command.Children {
		if flag := FindFlag(child, word); flag != nil {
			return flag
		}
	}
	return nil
}

// FlagNames returns the names of a flag: two if it can be negated.
func FlagNames(flag *kong.Flag) []string {
	if flag.Tag.Negatable != "" {
		return []string{"--" + flag.Name, "--no-" + flag.Name}
	}
	return []string{"--" + flag.Name}
}
