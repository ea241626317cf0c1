package jsontree

import (
	"math/big"
	"strings"
)

// Decimal is a number in its one normal form: 0.digits × 10^exponent, without zeros around digits.
// The exponent alone is arbitrarily large; to expand it would take memory without bound.
type Decimal struct {
	Negative bool
	Digits   string
	Exponent big.Int
}

// ReadDecimal reads a number of JSON.
func ReadDecimal(spelt string) (d Decimal) {
	mantissa := spelt
	if e := strings.IndexAny(spelt, "eE"); e >= 0 {
		mantissa = spelt[:e]
		d.Exponent.SetString(spelt[e+1:], 10)
	}
	mantissa, d.Negative = strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	d.Digits = strings.TrimLeft(digits, "0")
	point := len(whole) - (len(digits) - len(d.Digits))
	d.Digits = strings.TrimRight(d.Digits, "0")
	d.Exponent.Add(&d.Exponent, big.NewInt(int64(point)))
	return d
}
