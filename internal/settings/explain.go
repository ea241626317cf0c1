package settings

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// explain words the library's error for the person who sent the schema: in one line, with the place in their
// text and without the address that it has in here.
func (s *source) explain(err error) error {
	return fmt.Errorf("%w: %s", ErrSchema, s.wording(err))
}

func (s *source) wording(err error) string {
	if len(s.patterns.faults) > 0 {
		if found := s.faultyPattern(); found != "" {
			return found
		}
	}
	var (
		invalid   *jsonschema.SchemaValidationError
		broken    *jsonschema.ValidationError
		outside   *jsonschema.LoadURLError
		noAnchor  *jsonschema.AnchorNotFoundError
		noPlace   *jsonschema.JSONPointerNotFoundError
		noPointer *jsonschema.InvalidJsonPointerError
		noID      *jsonschema.ParseIDError
		sameID    *jsonschema.DuplicateIDError
		sameName  *jsonschema.DuplicateAnchorError
	)
	switch {
	case errors.As(err, &invalid) && errors.As(invalid.Err, &broken):
		return s.firstFault(invalid.URL, broken)
	case errors.As(err, &outside):
		return s.reference(outside.URL, "leads outside the schema, and nothing is fetched")
	case errors.As(err, &noAnchor):
		return s.reference(noAnchor.Reference, "leads to an anchor that is not there")
	case errors.As(err, &noPlace):
		return s.reference(noPlace.URL, "leads to nothing")
	case errors.As(err, &noPointer):
		return s.reference(noPointer.URL, "is no JSON pointer")
	case errors.As(err, &noID):
		_, fragment, _ := strings.Cut(noID.URL, "#")
		return scrub(fmt.Sprintf("%q is no URI", fragment+"/$id"))
	case errors.As(err, &sameID):
		return twice("$id", sameID.ID, sameID.Ptr1, sameID.Ptr2)
	case errors.As(err, &sameName):
		return twice("$anchor", sameName.Anchor, sameName.Ptr1, sameName.Ptr2)
	}
	return scrub(err.Error())
}

func twice(word, name, a, b string) string {
	return scrub(fmt.Sprintf("the %q %q is given twice: at %q and %q", word, short(scrub(name)), min(a, b), max(a, b)))
}

// scrub takes the address in here out of a text, and all that is no line of text.
func scrub(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, home, ""), homeFolder, "")
	return cut(strings.Join(strings.Fields(text), " "), maxReason)
}

// firstFault is what the metaschema has to say, of which one is enough.
func (s *source) firstFault(at string, broken *jsonschema.ValidationError) string {
	base := ""
	if _, fragment, ok := strings.Cut(at, "#"); ok {
		base, _ = url.PathUnescape(fragment)
	}
	spelt := s.root.find(splitPointer(base))
	if spelt == nil {
		spelt = &s.root
	}
	first := violations(spelt.write(nil), broken).Violations[0]
	return fmt.Sprintf("%q %s", cut(base+first.Pointer, maxPointer), first.Reason)
}

// faultyPattern names the first in the text that doesn't compile.
func (s *source) faultyPattern() (found string) {
	s.root.walk(nil, func(path []string, m *member) {
		at, text := slices.Concat(path, []string{m.key}), ""
		switch {
		case found != "":
			return
		case m.key == "pattern":
			text, _ = unquoteIfString(&m.value)
		case len(path) > 0 && path[len(path)-1] == "patternProperties":
			text = m.key
		}
		if fault, ok := s.patterns.faults[text]; ok {
			found = fmt.Sprintf("%q is no regular expression of RE2: %v", cut(pointer(at), maxPointer), fault)
		}
	})
	return found
}

// reference names the first one in the text that leads to the address, which the library has made absolute.
func (s *source) reference(address, fault string) (found string) {
	s.root.walk(nil, func(path []string, m *member) {
		if found != "" || m.key != "$ref" && m.key != "$dynamicRef" && m.key != "$schema" {
			return
		}
		says, err := unquoteIfString(&m.value)
		if err != nil || !sameEnd(address, says) {
			return
		}
		at := slices.Concat(path, []string{m.key})
		found = fmt.Sprintf("%q %s: %q", cut(pointer(at), maxPointer), fault, short(says))
	})
	if found == "" {
		return fmt.Sprintf("a reference %s: %q", fault, short(scrub(address)))
	}
	return found
}

// sameEnd tells whether a reference may have become the address. One with dots in its path becomes another, and
// is then named by its address alone.
func sameEnd(address, reference string) bool {
	place, fragment, _ := strings.Cut(reference, "#")
	addressPlace, addressFragment, _ := strings.Cut(address, "#")
	fragment, err := url.PathUnescape(fragment)
	if err != nil || !strings.HasSuffix(addressPlace, place) {
		return false
	}
	addressFragment, err = url.PathUnescape(addressFragment)
	return err == nil && (addressFragment == "" || strings.HasSuffix(addressFragment, fragment))
}

// place names where in the schema something is.
func (s *source) place(schema *jsonschema.Schema) string {
	at, ok := strings.CutPrefix(schema.Location, home+"#")
	if path, err := url.PathUnescape(at); ok && err == nil {
		return fmt.Sprintf("%q", cut(path, maxPointer))
	}
	return fmt.Sprintf("%q", cut(schema.Location, maxPointer))
}

// escapePath spells a path as the library does in an address.
func escapePath(path []string) string {
	var b strings.Builder
	for _, token := range path {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(escapes.Replace(token)))
	}
	return b.String()
}
