package settings

import (
	"math/big"
	"strings"
)

// equal tells whether two values are the same as RFC 6902 section 4.6 has it. It takes no more time
// than reading the second, the one from the patch, however large the first is, and doesn't change
// it.
func equal(a, b *node) bool {
	switch {
	case a.kind() != b.kind():
		return false
	case a.object != nil:
		return equalObjects(a.object, b.object)
	case a.array != nil:
		return equalArrays(a.array, b.array)
	case a.kind() == '0':
		return equalNumbers(a.spelt, b.spelt)
	case a.kind() == '"':
		return equalStrings(a.spelt, b.spelt)
	}
	return true // both are null, true or false
}

func equalObjects(a, b *object) bool {
	if a.size != b.size {
		return false
	}
	for i := range b.members { // of which none has been removed
		m := &b.members[i]
		value := a.get(m.key)
		if value == nil || !equal(value, &m.value) {
			return false
		}
	}
	return true
}

func equalArrays(a, b *array) bool {
	if a.length != b.length {
		return false
	}
	of := b.nodes()
	for i, value := range a.nodes() {
		if !equal(value, of[i]) {
			return false
		}
	}
	return true
}

// equalStrings compares what two strings say. Escaped, a byte has at most six of them, so most of
// the different lengths can be told without reading.
func equalStrings(a, b string) bool {
	const escaped = len(`\u0000`)
	if len(a) > escaped*len(b) {
		return false
	}
	x, errX := unquote(a)
	y, errY := unquote(b)
	return errX == nil && errY == nil && x == y
}

// equalNumbers compares as mathematics does, not as doubles.
func equalNumbers(a, b string) bool {
	x, y := readDecimal(a), readDecimal(b)
	if len(x.digits) == 0 || len(y.digits) == 0 { // zero, of whatever sign and exponent
		return len(x.digits) == len(y.digits)
	}
	return x.negative == y.negative && x.digits == y.digits && x.exponent.Cmp(&y.exponent) == 0
}

// decimal is a number in its one normal form: 0.digits × 10^exponent, without zeros around digits.
// The exponent alone is arbitrarily large; to expand it would take memory without bound.
type decimal struct {
	negative bool
	digits   string
	exponent big.Int
}

// readDecimal reads a number of JSON.
func readDecimal(spelt string) (d decimal) {
	mantissa := spelt
	if e := strings.IndexAny(spelt, "eE"); e >= 0 {
		mantissa = spelt[:e]
		d.exponent.SetString(spelt[e+1:], 10)
	}
	mantissa, d.negative = strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	d.digits = strings.TrimLeft(digits, "0")
	point := len(whole) - (len(digits) - len(d.digits))
	d.digits = strings.TrimRight(d.digits, "0")
	d.exponent.Add(&d.exponent, big.NewInt(int64(point)))
	return d
}
