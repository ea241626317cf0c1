package schema

import (
	"time"

	"github.com/outset-settings/outset/internal/jsontree"
	"github.com/outset-settings/outset/internal/settings"
)

// CompileWithin is Compile for tests that can't wait for slow matches: one may take so long, and
// all for a document.
func CompileWithin(text []byte, l settings.Limits, one, all time.Duration) (*Schema, error) {
	return compile(text, l, matchLimits{one, all})
}

// MaxSteps is for tests that count work.
const MaxSteps = maxSteps

// CostVisits returns how many references are followed to find out what a schema costs, and how many
// schemas it has.
func CostVisits(text string) (visits, schemas int, err error) {
	d, err := jsontree.Parse([]byte(text))
	if err != nil {
		return 0, 0, err
	}
	s, err := readSource(&d.Root)
	if err != nil {
		return 0, 0, err
	}
	v, err := newValidator([]byte(text), s.dynamic, matchLimits{maxMatch, maxMatches})
	if err != nil {
		return 0, 0, err
	}
	c := newCosts(v.entries())
	err = c.check()
	return c.visits, len(c.all), err
}

// Schemas returns how many schemas the library is given.
func Schemas(text string) (int, error) {
	d, err := jsontree.Parse([]byte(text))
	if err != nil {
		return 0, err
	}
	s, err := readSource(&d.Root)
	if err != nil {
		return 0, err
	}
	return len(s.schemas), nil
}

// Steps is Effective, and returns how many steps it took.
func (s *Schema) Steps(document []byte, most int) (int, error) {
	_, steps, err := s.lay(document, most)
	return steps, err
}

// Work is Check, and returns what it has cost.
func (s *Schema) Work(document []byte) (int, error) {
	err := s.Check(document)
	v := <-s.validators
	defer func() { s.validators <- v }()
	for range cap(s.validators) - 1 { // the one that was used is the last
		other := <-s.validators
		s.validators <- v
		v = other
	}
	return MaxWork - v.work.left, err
}

// Broken is a schema that nothing can be done with.
func Broken() *Schema {
	s := &Schema{defaults: &declaration{properties: make([]property, 1)}, validators: make(chan *validator, 1)}
	s.validators <- &validator{}
	return s
}

// Wrong is what Check makes of the library's error.
func Wrong(err error) error { return wrong([]byte(settings.Empty), err) }
