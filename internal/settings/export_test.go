package settings

// Merge is the pure function of RFC 7396, in which neither the target nor what comes of it need be objects.
func Merge(target, patch string) (string, error) {
	_, parsed, _, err := parse([]byte(patch))
	if err != nil {
		return "", err
	}
	d, err := edit([]byte(target))
	merge(&d.root, &parsed)
	return string(d.next(false).Document), err
}
