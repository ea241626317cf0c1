package messages

import (
	"errors"
	"fmt"
	"strings"
)

// CheckWorker returns what is wrong with a worker's id. It becomes a part of subjects, so it is 1
// to [MaxWorker] ASCII letters, digits, - and _. A server ends the connection of whoever publishes
// to a subject that is too long.
func CheckWorker(id string) error {
	switch {
	case id == "":
		return errors.New("the worker's id is empty")
	case len(id) > MaxWorker:
		return fmt.Errorf("the worker's id is over %d bytes", MaxWorker)
	case strings.ContainsFunc(id, notInToken):
		return errors.New("the worker's id has other characters than letters, digits, - and _")
	}
	return nil
}

func notInToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
		r != '-' && r != '_'
}

// CheckReplyTo returns what is wrong with the subject on which a sender wants its reply. A worker
// may publish what its senders may not, such as changes, so it must not be talked into publishing
// on the subjects of this contract or of NATS itself.
func CheckReplyTo(subject string) error {
	switch {
	case subject == "":
		return errors.New("there is no subject for the reply")
	case len(subject) > MaxReplyTo:
		return fmt.Errorf("the subject for the reply is over %d bytes", MaxReplyTo)
	case strings.HasPrefix(subject, "settings."), strings.HasPrefix(subject, "$"):
		return errors.New("the subject for the reply is not an inbox")
	}
	return nil
}
