package jsontree

// Equal reports whether two values are equal in the sense of RFC 6902 section 4.6. It takes no more
// time than reading the second, the one from the patch, however large the first is.
func Equal(a, b *Node) bool {
	switch {
	case a.Kind() != b.Kind():
		return false
	case a.Object != nil:
		return equalObjects(a.Object, b.Object)
	case a.Array != nil:
		return equalArrays(a.Array, b.Array)
	case a.Kind() == '0':
		return equalNumbers(a.spelt, b.spelt)
	case a.Kind() == '"':
		return equalStrings(a.spelt, b.spelt)
	}
	return true // both are null, true or false
}

func equalObjects(a, b *Object) bool {
	if a.size != b.size {
		return false
	}
	for i := range b.members { // of which none has been removed
		m := &b.members[i]
		value := a.Get(m.Key)
		if value == nil || !Equal(value, &m.Value) {
			return false
		}
	}
	return true
}

func equalArrays(a, b *Array) bool {
	if a.length != b.length {
		return false
	}
	of := b.Nodes()
	for i, value := range a.Nodes() {
		if !Equal(value, of[i]) {
			return false
		}
	}
	return true
}

// equalStrings compares two strings without their escapes. A byte takes at most six when escaped,
// so strings of very different length differ.
func equalStrings(a, b string) bool {
	const escaped = len(`\u0000`)
	if len(a) > escaped*len(b) {
		return false
	}
	x, errX := Unquote(a)
	y, errY := Unquote(b)
	return errX == nil && errY == nil && x == y
}

// equalNumbers compares as mathematics does, not as doubles.
func equalNumbers(a, b string) bool {
	x, y := ReadDecimal(a), ReadDecimal(b)
	if len(x.Digits) == 0 || len(y.Digits) == 0 { // zero, of whatever sign and exponent
		return len(x.Digits) == len(y.Digits)
	}
	return x.Negative == y.Negative && x.Digits == y.Digits && x.Exponent.Cmp(&y.Exponent) == 0
}
