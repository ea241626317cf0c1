package settings

import "github.com/outset-settings/outset/internal/jsontree"

// Merge is the pure function of RFC 7396, in which neither the target nor what comes of it need be
// objects.
func Merge(target, patch string) (string, error) {
	parsed, err := jsontree.Parse([]byte(patch))
	if err != nil {
		return "", err
	}
	d, err := jsontree.Parse([]byte(target))
	merge(&d.Root, &parsed.Root)
	return string(d.Bytes()), err
}
