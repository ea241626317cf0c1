package schema

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/outset-settings/outset/internal/jsontree"
)

// resource is the part of the text that "$id" gives an address of its own, or the whole.
type resource struct {
	url     *url.URL // without a fragment
	pointer string   // to where it is in the text
	draft7  bool
	anchors map[string]*declaration
}

// reference is a "$ref" or "$dynamicRef". It may lead to what comes later in the text.
type reference struct {
	from    *declaration
	at      string // JSON pointer
	says    string
	url     string // without a fragment
	to      string // the fragment
	dynamic bool
}

// identify reads what identifies a schema: "$schema", "$id" and anchors. It returns the resource
// that the schema is in.
func (s *source) identify(
	one *declaration, at string, n *jsontree.Node, in *resource,
) (*resource, error) {
	draft7 := in.draft7
	if named := n.Object.Get("$schema"); named != nil {
		var err error
		if draft7, err = dialect(at, named); err != nil {
			return nil, err
		}
	}
	if at == "" {
		in.draft7 = draft7
	}
	id, ok := text(n, "$id")
	if draft7 && n.Object.Get("$ref") != nil {
		ok = false // it doesn't count
	}
	if ok && id != "" {
		address, err := in.url.Parse(id)
		if err != nil {
			return nil, refused(under(at, "$id"), "is not a URI reference")
		}
		fragment := address.Fragment
		if own := withoutFragment(address); own.String() != in.url.String() {
			in = &resource{
				url: own, pointer: at, draft7: draft7, anchors: map[string]*declaration{},
			}
			s.resources[own.String()] = in
		}
		if draft7 && fragment != "" {
			in.anchors[fragment] = one
		}
	}
	if in.draft7 {
		return in, nil
	}
	if name, ok := text(n, "$anchor"); ok {
		in.anchors[name] = one
	}
	if name, ok := text(n, "$dynamicAnchor"); ok {
		in.anchors[name] = one
		s.dynamic = append(s.dynamic, at)
	}
	return in, nil
}

func text(n *jsontree.Node, key string) (says string, ok bool) {
	if value := n.Object.Get(key); value != nil {
		return value.Says()
	}
	return "", false
}

func withoutFragment(address *url.URL) *url.URL {
	own := *address
	own.Fragment, own.RawFragment = "", ""
	return &own
}

// refer notes a reference. It is resolved when all of the text has been read.
func (s *source) refer(
	one *declaration, at string, n *jsontree.Node, in *resource, dynamic bool,
) error {
	says, ok := n.Says()
	if !ok {
		return refused(at, "must be a string")
	}
	address, err := in.url.Parse(says)
	if err != nil {
		return refused(at, "is not a URI reference")
	}
	s.references = append(s.references, reference{
		from: one, at: at, says: says, url: withoutFragment(address).String(),
		to: address.Fragment, dynamic: dynamic,
	})
	return nil
}

// resolve finds what the references lead to.
func (s *source) resolve() error {
	for _, r := range s.references {
		in := s.resources[r.url]
		if in == nil {
			if !metaschema(r.url) {
				return refused(r.at, anotherDocument(r.says))
			}
			continue
		}
		to := in.anchors[r.to]
		if r.to == "" || r.to[0] == '/' {
			to = s.schemas[in.pointer+r.to]
		}
		if to == nil {
			return refused(r.at, fmt.Sprintf("leads to no schema: %q", jsontree.Short(r.says)))
		}
		if !r.dynamic {
			r.from.next = slices.Insert(r.from.next, 0, to)
		}
	}
	return nil
}

// metaschema tells whether the library has what is at an address.
func metaschema(address string) bool {
	return strings.HasPrefix(address, strings.TrimSuffix(Draft2020, "schema")) || address == Draft7
}

func anotherDocument(says string) string {
	return fmt.Sprintf("leads to another document, and nothing is fetched: %q",
		jsontree.Short(says))
}
