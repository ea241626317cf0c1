// Package deploy has the files of this folder that programs and tests need as well: one text says
// who may do what, in containers, in `outset up` and in tests.
package deploy

import _ "embed"

// NATSRoles is the part of a NATS server's configuration that says who may do what, see there.
//
//go:embed nats-roles.conf
var NATSRoles string

// NATSKeys has the roles of NATSRoles, and the variable of each that has its public key.
var NATSKeys = []struct{ Role, Variable string }{
	{"api", "API_PUBLIC_KEY"},
	{"worker", "WORKER_PUBLIC_KEY"},
	{"operator", "OPERATOR_PUBLIC_KEY"},
}

// PostgresRoles makes the roles of a database, see there. It is for a superuser, and has several
// statements.
//
//go:embed postgres-roles.sql
var PostgresRoles string
