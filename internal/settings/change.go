package settings

// Replace returns the change that puts document in the place of what was there.
// It fails when document is not a settings document, and takes it as it is
// otherwise, byte for byte: from then on nobody may write to it.
func (l Limits) Replace(document []byte) (Change, error) {
	if err := l.Check(document); err != nil {
		return nil, err
	}
	return func([]byte) (Next, error) { return Next{Document: document}, nil }, nil
}

// Delete is the change after which there is no document.
func Delete([]byte) (Next, error) { return Next{}, nil }
