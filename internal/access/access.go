// Package access decides who may do what. It verifies tokens, and has the one table of routes from
// which the API, its documentation and its tests take who may call them. It knows neither HTTP nor
// NATS.
//
// There are two kinds of identity. A user has a JWT (RFC 7519) of an identity provider and reaches
// their own document only. A service has a static token or a JWT with scopes, and reaches what its
// scopes name.
package access

import "time"

// Kind is what an identity is.
type Kind uint8

// The kinds of identity.
const (
	// Anonymous has no token. It may use the public routes, or everything where no tokens are
	// asked for.
	Anonymous Kind = iota
	// User is a user of the application. They reach their own document.
	User
	// Service is a program. It reaches what its scopes name.
	Service
)

// String returns the kind's name, as it stands in logs and in the history.
func (k Kind) String() string {
	switch k {
	case User:
		return "user"
	case Service:
		return "service"
	default:
		return "anonymous"
	}
}

// DefaultApp is the only application there is today.
const DefaultApp = "default"

// Identity is who sends a request.
type Identity struct {
	Kind    Kind
	Subject string    // the user's id; of a service the name of its token, or its JWT's subject
	Token   string    // the id of the token: its jti, or that of a static token; "" if it has none
	Scopes  Scope     // of a service
	App     string    // the application: [DefaultApp]
	Expires time.Time // when the token expires; zero: never

	static bool // it has a static token
	key    *key // that its JWT is signed with
}
