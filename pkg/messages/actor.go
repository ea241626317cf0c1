package messages

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ActorKind is what sort of identity an actor is. The numbers are on the wire and in the history:
// from the first release on they are append-only.
type ActorKind uint8

// The kinds of actors.
const (
	ActorUser    ActorKind = 1 // the user whose settings these are
	ActorService ActorKind = 2 // a program with scopes

	lastActorKind = ActorService
)

// String is the kind's name, in answers and in logs.
func (k ActorKind) String() string {
	switch k {
	case ActorUser:
		return "user"
	case ActorService:
		return "service"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// Actor is who asked for an operation, as the API knows from a token. The API has judged what they
// may do; here it is only told and kept.
type Actor struct {
	Kind ActorKind `cbor:"1,keyasint"`
	// Subject is the user's id; of a service its name, at most [MaxSubject] bytes.
	Subject string `cbor:"2,keyasint,omitempty"`
	// Token is the id of the token, which is no secret, at most [MaxTokenID] bytes; "": it has
	// none.
	Token string `cbor:"3,keyasint,omitempty"`
}

// NewActor returns an actor within the limits. Subject and token are an identity provider's and may
// be anything: control characters are replaced, and what is too long is cut off.
func NewActor(kind ActorKind, subject, token string) *Actor {
	return &Actor{kind, printable(subject, MaxSubject), printable(token, MaxTokenID)}
}

// printable makes a text valid for [checkText].
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return cut(text, most)
}

// cut returns the text's first bytes, at most so many, up to a whole character.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

func (a *Actor) check() error {
	if a == nil {
		return nil
	}
	if a.Kind < 1 || a.Kind > lastActorKind {
		return errors.New("the actor is of an unknown kind")
	}
	if err := checkText("the actor's subject", a.Subject, MaxSubject); err != nil {
		return err
	}
	return checkText("the id of the actor's token", a.Token, MaxTokenID)
}

// checkText returns what is wrong with a text that is kept and shown: it has at most so many bytes
// of valid UTF-8 without control characters.
func checkText(what, text string, most int) error {
	switch {
	case len(text) > most:
		return fmt.Errorf("%s is over %d bytes", what, most)
	case !utf8.ValidString(text):
		return fmt.Errorf("%s is not valid UTF-8", what)
	case strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s has a control character", what)
	}
	return nil
}
