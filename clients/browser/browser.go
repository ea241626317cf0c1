// Package browser has the client for browsers: an ES module that needs no build step, and its types.
// The API serves both, and npm takes the folder as it is.
package browser

import _ "embed"

// Client is client.js, the module.
//
//go:embed client.js
var Client []byte

// Types is client.d.ts, its types for TypeScript.
//
//go:embed client.d.ts
var Types []byte
