package settings

// Merge is the pure function of RFC 7396, in which neither the target nor what comes of it need be
// objects.
func Merge(target, patch string) (string, error) {
	_, parsed, _, err := parse([]byte(patch))
	if err != nil {
		return "", err
	}
	d, err := edit([]byte(target))
	merge(&d.root, &parsed)
	return string(d.next(false).Document), err
}

// Broken is a schema that nothing can be done with.
func Broken() *Schema { return &Schema{defaults: &layer{properties: make([]property, 1)}} }

// Judge is what Check makes of the validator's error.
func Judge(err error) error { return judge([]byte(Empty), err) }
