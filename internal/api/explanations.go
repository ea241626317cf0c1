package api

import (
	"github.com/outset-settings/outset/pkg/messages"
)

// explanation is the text of a kind's page. Title and status are in statuses.
type explanation struct {
	Means   string
	Changed string
	Do      string

	// of the example
	detail     string
	header     string
	current    *messages.Result
	violations []messages.Violation
}

const (
	nothing = "No. Nothing was changed."
	sameKey = " Send a write with the same Idempotency-Key each time: it is applied once, " +
		"however often you repeat it."
	correctIt = "Correct the request: the detail says what is wrong. Repeating it unchanged " +
		"gives the same answer."
	seeLimits = " GET /limits lists the limits of a document."
	freshCopy = "Read the current document, make your change in it, and send the result with " +
		"its ETag as If-Match"
	newKey = " The new request needs a new Idempotency-Key."
)

// explanations has a text for each kind in statuses.
var explanations = map[messages.Kind]explanation{
	messages.KindMalformed: {
		Means: "The request can't be read. Either the body is not JSON, or it is JSON with a " +
			"duplicate key, invalid UTF-8 or too many levels. Or the user id, the path, a " +
			"number or a header such as If-Match or Idempotency-Key doesn't have the right form.",
		Changed: nothing,
		Do:      correctIt,
		detail:  "the user id has the unprintable character U+0000",
	},
	messages.KindNotFound: {
		Means: "There is no such address, or the document has no value at this path, or the " +
			"history doesn't have this version or its document (any more). A user who never " +
			"saved anything is not a problem: the settings are {} then.",
		Changed: nothing,
		Do: "Check the address: upper and lower case differ, and so do addresses with and " +
			"without a slash at the end. GET /user/{id}/history lists the versions that are " +
			"kept.",
		detail: `not found: there is no value at "/font/size"`,
	},
	kindUnauthenticated: {
		Means: "This address needs a token, and the request has none, or one that doesn't count: " +
			"it is expired, revoked, malformed or invalid for another reason. The answer never " +
			"says which; the service's log does.",
		Changed: nothing,
		Do: "Send a token as Authorization: Bearer <token>. A user's token is that of the " +
			"identity provider: get a new one there. A service's token is made with " +
			"outset token create.",
		detail: "send a token: Authorization: Bearer <token>",
		header: `WWW-Authenticate: Bearer realm="outset"`,
	},
	kindForbidden: {
		Means:   "The token is that of a service, and it lacks a scope that this needs.",
		Changed: nothing,
		Do: "Use a token that has the scope, which WWW-Authenticate names. Who manages the " +
			"service can make one.",
		detail: "the token needs the scope settings:write",
		header: `WWW-Authenticate: Bearer realm="outset", error="insufficient_scope", ` +
			`scope="settings:write"`,
	},
	kindRateLimited: {
		Means: "The user or the token has sent more requests than it may, or the user has too " +
			"many streams or batches at a time. Nobody else is affected. Each request in a batch " +
			"counts.",
		Changed: nothing,
		Do: "Repeat the request after as many seconds as Retry-After says." + sameKey +
			" RateLimit-Policy says how many requests may be sent in how many seconds.",
		detail: "at most 100 requests a second, of which 200 may come at once",
		header: "RateLimit-Policy: \"user\";q=200;w=2\nRateLimit: \"user\";r=0;t=1",
	},
	kindMethodNotAllowed: {
		Means:   "The address exists, but it doesn't support this method.",
		Changed: nothing,
		Do:      "Use one of the methods in the Allow header.",
		header:  "Allow: GET, HEAD",
	},
	kindTimeout: {
		Means:   "The request did not arrive completely in the time allowed.",
		Changed: nothing,
		Do: "Check whether the connection is very slow, or whether the request announces more " +
			"bytes than it sends." + sameKey,
	},
	messages.KindPrecondition: {
		Means: "The document doesn't meet your If-Match, If-None-Match or " +
			"If-Unmodified-Since. Usually somebody else has changed it since you read it, and " +
			"your write would have undone that change.",
		Changed: nothing,
		Do: freshCopy + ". This answer has both: the document is in settings (unless you sent " +
			"Prefer: return=minimal), its version in version and in the ETag header." + newKey,
		detail:  "the current version is 7",
		header:  `ETag: "7-hmw2k3p9x4"`,
		current: &messages.Result{Version: 7, Document: []byte(`{"theme":"dark"}`)},
	},
	messages.KindTooLarge: {
		Means:   "The body is too large, or the change would make the document too large.",
		Changed: nothing,
		Do:      "Store less, or divide it among the documents of several users." + seeLimits,
		detail:  "the body may have at most 65536 bytes",
	},
	kindUnsupportedMedia: {
		Means: "The body's Content-Type is missing or not supported by this method, or its " +
			"charset is not UTF-8, or it has a Content-Encoding.",
		Changed: nothing,
		Do: "Send JSON as Content-Type: application/json, uncompressed. For PATCH, the " +
			"Accept-Patch header of this answer lists the supported types.",
		detail: "send it with Content-Type: application/json",
	},
	messages.KindInvalid: {
		Means: "The body is well-formed JSON, but it is not a settings document, or the " +
			"document would no longer be one with this change. A document is an object, and " +
			"its keys, its numbers and its depth have limits.",
		Changed: nothing,
		Do:      correctIt + seeLimits,
		detail:  "not a settings document: the document is not an object",
	},
	messages.KindNotApplicable: {
		Means: "The patch, or the path of the new value, doesn't fit the current document. " +
			"Something that it names is missing or is neither an object nor an array, or a " +
			"test in the patch has failed. A patch is applied as a whole or not at all.",
		Changed: nothing,
		Do:      freshCopy + "." + newKey,
		detail: `operation 1 (remove "/theme"): not applicable to the current document: ` +
			`there is no value at "/theme"`,
	},
	messages.KindIDReused: {
		Means: "An earlier write of this user had the same Idempotency-Key, but it was a " +
			"different request: its method, address, precondition or body was another.",
		Changed: "Not by this request. The earlier one was applied.",
		Do: "Use a new key, such as a UUID, for each new request. Send the same key again " +
			"only to repeat the very same request.",
		detail: "this Idempotency-Key was used for another request of this user",
	},
	messages.KindViolation: {
		Means: "Settings must conform to a schema, and with this write the document would " +
			"not. The violations say where: pointer is a JSON pointer (RFC 6901) into the " +
			"document as it would be, and \"\" is the whole document. If there are very many, " +
			"only the first are listed.",
		Changed: nothing,
		Do:      "Correct these values. GET /schema has the rules." + newKey,
		detail:  `the document breaks the schema: "/theme" must be one of "dark", "light"`,
		violations: []messages.Violation{
			{Pointer: "/theme", Reason: `must be one of "dark", "light"`},
		},
	},
	messages.KindInvalidSchema: {
		Means: "This can't be used as the schema of settings. It must be a JSON Schema of " +
			"draft 2020-12, or of draft 7 if $schema names that. It must be an object, must " +
			"need no other document, since none is ever fetched, and must not check a value " +
			"too many times.",
		Changed: nothing,
		Do:      "Correct the schema: the detail says what is wrong.",
		detail:  `not a schema: "/properties/age/minimum" must be a number, not a string`,
	},
	messages.KindTooManyTokens: {
		Means: "No more service tokens can be made: at most 1,000 may be valid at once, since " +
			"each API has them all in memory.",
		Changed: nothing,
		Do:      "Revoke tokens that are no longer used. GET /tokens tells when each was last used.",
		detail:  "too many tokens: 1000 are valid; revoke some first",
	},
	kindCrossOrigin: {
		Means: "A browser sent this request for a page of another origin, and this service " +
			"doesn't allow that origin.",
		Changed: nothing,
		Do: "The operator of the service can allow the origin (CORS_ORIGINS). This concerns " +
			"browsers only, no other programs.",
		detail: "CORS_ORIGINS doesn't list this page's origin",
	},
	kindPreconditionRequired: {
		Means: "This service accepts a write only if it says which version it is based on, so " +
			"that nobody undoes another's change by accident.",
		Changed: nothing,
		Do:      freshCopy + ". Use If-None-Match: * for a document that must not exist yet.",
		detail:  preconditionWanted,
	},
	kindHeadersTooLarge: {
		Means:   "The request line and the headers are too large together.",
		Changed: nothing,
		Do: "Send fewer or shorter headers, or a shorter path. Often the cause is cookies, " +
			"which this API doesn't use.",
		detail: "request line and headers may have at most 8192 bytes",
	},
	kindMisdirected: {
		Means: "The request's Host is none of the names that this service answers to: " +
			"localhost, any IP address, the name it listens on, and those of HTTP_HOSTS. " +
			"Otherwise a page of any site could give its own name the service's address, and " +
			"use it from its readers' browsers (DNS rebinding).",
		Changed: nothing,
		Do: "Ask under a name of the service, or let its operator add this one to HTTP_HOSTS. " +
			"A proxy in between may have to pass the Host header on.",
		detail: "HTTP_HOSTS doesn't list the name in Host",
	},
	kindHTTPVersion: {
		Means: "The request is of a version of HTTP that isn't spoken here: only HTTP/1.1 and " +
			"HTTP/1.0 are.",
		Changed: nothing,
		Do: "Send the request as HTTP/1.1. If there is a proxy in between, check which " +
			"version it uses towards the service.",
		detail: "this service speaks HTTP/1.1 and HTTP/1.0",
	},
	messages.KindInternal: {
		Means:   "The service failed. Its log has the cause, under the request's id.",
		Changed: "This answer can't tell. A read never changes anything.",
		Do: "If it was a write, read the settings to see whether it was applied." + sameKey +
			" If it happens again, report the requestId to the operator of the service.",
	},
	messages.KindOverloaded: {
		Means:   "Too many requests are waiting already.",
		Changed: nothing,
		Do:      "Repeat the request a little later." + sameKey,
		detail:  "the API's queue is full",
	},
	messages.KindUnavailable: {
		Means: "The part of the service that stores the settings can't be reached at the " +
			"moment, for instance because it is being restarted.",
		Changed: nothing,
		Do:      "Repeat the request a little later." + sameKey,
		detail:  "there is no worker",
	},
	messages.KindExpired: {
		Means: "The request waited longer than allowed, and was dropped before it was " +
			"carried out.",
		Changed: "No. Nothing was changed, and this request won't change anything later.",
		Do:      "Repeat the request a little later." + sameKey,
		detail:  "it waited in the API's queue all the time",
	},
	messages.KindOutcomeUnknown: {
		Means: "The write was passed on to be carried out, but no answer came back in time.",
		Changed: "Perhaps. It may have been applied, it may be applied within the next " +
			"seconds, or it may be lost.",
		Do: "If it had an Idempotency-Key, repeat it with the same key: it is applied once, " +
			"and you get its answer. If it had none, read the settings to see whether it was " +
			"applied before you repeat it.",
		detail: "no worker answered in time",
	},
}
