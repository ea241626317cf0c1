package jsontree

import (
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// parser takes a text apart in one pass. The parts are substrings of spelt, a copy: they can be
// kept, and nothing can change them.
type parser struct {
	spelt   string
	at      int // up to where it has been read
	decoder *jsontext.Decoder
	levels  int  // of objects and arrays that are taken apart
	arrays  bool // are taken apart, too

	// members of the objects that are open. An object gets its own when it is known how many.
	members []Member
}

// stacks are empty, for parsers to put members on. A new one that grows to thousands of members
// takes four times the memory of the object that they end in.
var stacks = sync.Pool{New: func() any { return new([]Member) }}

// parse reads a text.
func (p *parser) parse() (before string, root Node, err error) {
	stack, _ := stacks.Get().(*[]Member)
	p.members = *stack
	before, root, err = p.next()
	if err == nil {
		err = p.end()
	}
	clear(p.members) // those of an object that was not read to its end
	*stack = p.members[:0]
	stacks.Put(stack)
	return before, root, err
}

func (p *parser) end() error {
	if _, err := p.decoder.ReadToken(); errors.Is(err, io.EOF) {
		return nil
	}
	return &jsontext.SyntacticError{
		ByteOffset: Next([]byte(p.spelt), int64(p.at)), Err: errTrailing,
	}
}

// next reads a value, or a name, or the bracket at the end, for which the node has no spelling.
// What stands between it and the one before is the gap: white space with a comma or colon.
func (p *parser) next() (gap string, n Node, err error) {
	kind := p.decoder.PeekKind()
	deep := p.decoder.StackDepth() >= p.levels
	if kind == '{' && deep || kind == '[' && (deep || !p.arrays) {
		kind = '"' // read whole, as a string is
	}
	switch kind {
	case '{':
		start, gap, err := p.bracket()
		if err == nil {
			n.Object, err = p.object()
		}
		n.spelt = p.spelt[start:p.at]
		return gap, n, err
	case '[':
		start, gap, err := p.bracket()
		if err == nil {
			n.Array, err = p.array()
		}
		n.spelt = p.spelt[start:p.at]
		return gap, n, err
	case '}', ']':
		_, gap, err := p.bracket()
		return gap, n, err
	}
	value, err := p.decoder.ReadValue()
	start, gap := p.step(len(value))
	n.spelt = p.spelt[start:p.at]
	return gap, n, err
}

func (p *parser) bracket() (start int, gap string, err error) {
	if _, err := p.decoder.ReadToken(); err != nil {
		return p.at, "", err
	}
	start, gap = p.step(1)
	return start, gap, nil
}

// step goes past what the decoder has just read and returns where it starts.
func (p *parser) step(length int) (start int, gap string) {
	end := int(p.decoder.InputOffset())
	start = end - length
	gap = p.spelt[p.at:start]
	p.at = end
	return start, gap
}

// object reads all after the opening brace.
func (p *parser) object() (*Object, error) {
	outer := len(p.members)
	for {
		gap, name, err := p.next()
		if err != nil {
			return nil, err
		}
		if name.spelt == "" {
			o := newObject(slices.Clone(p.members[outer:]), gap)
			clear(p.members[outer:])
			p.members = p.members[:outer]
			return o, nil
		}
		m := Member{gap: gap, Name: name.spelt}
		if m.colon, m.Value, err = p.next(); err != nil {
			return nil, err
		}
		if m.Key, err = Unquote(m.Name); err != nil {
			return nil, err
		}
		p.members = append(p.members, m)
	}
}

// array reads all after the opening bracket.
func (p *parser) array() (*Array, error) {
	a := &Array{}
	for {
		gap, value, err := p.next()
		if err != nil {
			return nil, err
		}
		if value.spelt == "" {
			a.finish(gap)
			return a, nil
		}
		a.append(element{gap: gap, value: value})
	}
}
