// Package clienttest has the tests of package client that need a service. They are not beside it,
// because client is a module of its own, which knows nothing of the service's packages.
package clienttest
