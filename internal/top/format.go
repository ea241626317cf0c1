package top

import (
	"fmt"
	"math"
	"strconv"
)

// none stands where there is no number.
const none = "-"

// count writes a number of things, or of things a second, in at most five characters.
func count(f Figure) string {
	n := math.Abs(float64(f))
	switch {
	case !f.Known():
		return none
	case n == 0:
		return "0"
	case n < .05:
		return "<0.1"
	case n < 9.95:
		return fmt.Sprintf("%.1f", f)
	case n < 99999.5:
		return fmt.Sprintf("%.0f", f)
	case n < 999.5e3:
		return fmt.Sprintf("%.0fk", f/1e3)
	case n < 999.5e6:
		return fmt.Sprintf("%.0fM", f/1e6)
	default:
		return "many"
	}
}

// whole is count of what there are no parts of.
func whole(n int) string {
	if 0 <= n && n < 10 {
		return strconv.Itoa(n)
	}
	return count(Figure(n))
}

// took writes seconds in at most five characters.
func took(f Figure) string {
	s := float64(f)
	switch {
	case !f.Known():
		return none
	case s <= 0:
		return "0"
	case s < 999.5e-6:
		return fmt.Sprintf("%.0fµs", s*1e6)
	case s < 9.95e-3:
		return fmt.Sprintf("%.1fms", s*1e3)
	case s < 999.5e-3:
		return fmt.Sprintf("%.0fms", s*1e3)
	case s < 9.95:
		return fmt.Sprintf("%.1fs", s)
	default:
		return age(f)
	}
}

// age writes seconds in at most four characters.
func age(f Figure) string {
	s := float64(f)
	switch {
	case !f.Known():
		return none
	case s < 100:
		return fmt.Sprintf("%.0fs", math.Floor(s))
	case s < 100*60:
		return fmt.Sprintf("%.0fm", math.Floor(s/60))
	case s < 100*3600:
		return fmt.Sprintf("%.0fh", math.Floor(s/3600))
	case s < 1000*24*3600:
		return fmt.Sprintf("%.0fd", math.Floor(s/24/3600))
	default:
		return "long"
	}
}

// share writes a part of a whole.
func share(f Figure) string {
	if !f.Known() {
		return none
	}
	return fmt.Sprintf("%.0f%%", min(float64(f), 9.99)*100)
}
