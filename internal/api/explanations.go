package api

import (
	"github.com/outset-settings/outset/pkg/messages"
)

// explanation is what the page of a kind says beside what statuses has, and its example.
type explanation struct {
	Means   string
	Changed string
	Do      string

	detail  string
	with    string // a header of the example
	current *messages.Result

	violations []messages.Violation
}

const (
	nothing    = "No. Nothing was changed."
	sameKey    = " Send a write with the same Idempotency-Key each time, and it is applied once, however often you repeat it."
	correctIt  = "Correct the request: the detail says what is wrong. Repeating it as it is gives the same answer."
	seeLimits  = " GET /limits lists what a document is held to."
	freshCopy  = "Read the document as it is now, make your change in it, and send that with its ETag as If-Match"
	anotherKey = " It is another request than before, so it wants an Idempotency-Key of its own."
)

// explanations has a text for each kind in statuses.
var explanations = map[messages.Kind]explanation{
	messages.KindMalformed: {
		Means: "The request can't be read. Its body is not JSON, or JSON with a key twice, bad UTF-8 or too many levels; or the user id, the " +
			"path, a number or a header like If-Match or Idempotency-Key is not of the form that it must have.",
		Changed: nothing,
		Do:      correctIt,
		detail:  "the user id has the unprintable character U+0000",
	},
	messages.KindNotFound: {
		Means: "There is no such address, or no value at this path of the document, or the history doesn't have this version (any more). " +
			"A user who never saved anything is not a problem: the settings are {} then.",
		Changed: nothing,
		Do:      "Check the address: upper and lower case differ, and a slash at the end makes it another one. GET /user/{id}/history lists the versions that are kept.",
		detail:  `not found: there is no value at "/font/size"`,
	},
	kindMethodNotAllowed: {
		Means:   "The address is right, but it doesn't take this method.",
		Changed: nothing,
		Do:      "Use one of the methods that the Allow header lists.",
		with:    "Allow: GET, HEAD",
	},
	kindTimeout: {
		Means:   "The request did not arrive as a whole within the time for it.",
		Changed: nothing,
		Do:      "See whether the connection is very slow, or whether the request announces more bytes than it sends." + sameKey,
	},
	messages.KindPrecondition: {
		Means: "The document is not what your If-Match, If-None-Match or If-Unmodified-Since asks for. Mostly somebody else has " +
			"changed it since you read it; your write would have undone that.",
		Changed: nothing,
		Do: freshCopy + ". This answer has both already: the document in settings (unless you sent Prefer: return=minimal), and " +
			"its version in the ETag header and in version." + anotherKey,
		detail:  "the current version is 7",
		with:    `ETag: "7"`,
		current: &messages.Result{Version: 7, Document: []byte(`{"theme":"dark"}`)},
	},
	messages.KindTooLarge: {
		Means:   "The body is too large, or the document would be with the change that you want.",
		Changed: nothing,
		Do:      "Store less, or divide it among several users' documents." + seeLimits,
		detail:  "the body may have at most 65536 bytes",
	},
	kindUnsupportedMedia: {
		Means:   "The body's Content-Type is missing or is none that this method takes, its charset is not UTF-8, or it has a Content-Encoding.",
		Changed: nothing,
		Do:      "Send JSON as Content-Type: application/json, uncompressed. PATCH takes the types that the Accept-Patch header of this answer lists.",
		detail:  "send it with Content-Type: application/json",
	},
	messages.KindInvalid: {
		Means:   "The body is well-formed JSON, but it is not a settings document, or would make the document something else: a document is an object, and its keys, its numbers and its depth have limits.",
		Changed: nothing,
		Do:      correctIt + seeLimits,
		detail:  "not a settings document: the document is not an object",
	},
	messages.KindNotApplicable: {
		Means: "The patch, or the path of a new value, doesn't fit the document as it is now: something that it names is not there or is neither an " +
			"object nor an array, or a test in the patch has failed. A patch is applied as a whole or not at all.",
		Changed: nothing,
		Do:      freshCopy + "." + anotherKey,
		detail:  `operation 1 (remove "/theme"): not applicable to the current document: there is no value at "/theme"`,
	},
	messages.KindIDReused: {
		Means:   "An earlier write of this user had the same Idempotency-Key, but it was another request: another method, address, condition or body.",
		Changed: "Not by this request. The earlier one was applied.",
		Do:      "Take a new key, for instance a UUID, for each new request. Send the same key only to repeat the very same request.",
		detail:  "this Idempotency-Key was used for another request of this user",
	},
	messages.KindViolation: {
		Means: "The settings are held to a schema, and the document would break it with this write. The violations say where: pointer is a JSON pointer " +
			"(RFC 6901) into the document as it would be, and \"\" is all of it. Of very many only the first are listed.",
		Changed: nothing,
		Do:      "Correct the values at these places. GET /schema has the rules." + anotherKey,
		detail:  `the document breaks the schema: "/theme" must be one of "dark", "light"`,

		violations: []messages.Violation{{Pointer: "/theme", Reason: `must be one of "dark", "light"`}},
	},
	messages.KindInvalidSchema: {
		Means: "This can't be the schema that settings are held to. It must be a JSON Schema of 2020-12, or of draft 7 if $schema names that: an object that needs " +
			"no other document, since nothing is ever fetched, and that checks no value too often.",
		Changed: nothing,
		Do:      "Correct the schema: the detail says what is wrong.",
		detail:  `not a schema: "/properties/age/minimum" must be a number, not a string`,
	},
	kindCrossOrigin: {
		Means:   "A browser sent this for a page of another origin, which this service has not allowed to use it.",
		Changed: nothing,
		Do:      "Those who run the service can allow the origin (CORS_ORIGINS). Programs other than browsers are not concerned.",
		detail:  "CORS_ORIGINS doesn't list this page's origin",
	},
	kindPreconditionRequired: {
		Means:   "This service takes a write only if it says which version it builds upon, so that nobody undoes by accident what another has written.",
		Changed: nothing,
		Do:      freshCopy + ". If-None-Match: * is for a document that must not be there yet.",
		detail:  preconditionWanted,
	},
	kindHeadersTooLarge: {
		Means:   "The request line and the headers are too large together.",
		Changed: nothing,
		Do:      "Send fewer or shorter headers, or a shorter path. Often it is cookies, which this API has no use for.",
		detail:  "request line and headers may have at most 8192 bytes",
	},
	kindHTTPVersion: {
		Means:   "The answer has no length that is known when it begins, and comes in chunks, which HTTP/1.0 doesn't have.",
		Changed: nothing,
		Do:      "Send the request as HTTP/1.1. If a proxy is in between, see which version it speaks to the service.",
		detail:  "exports and imports need HTTP/1.1",
	},
	messages.KindInternal: {
		Means:   "A fault of ours. The log has the cause, under the request's id.",
		Changed: "That can't be told from this answer. A read never changes anything.",
		Do: "If it was a write, read the settings and see." + sameKey +
			" If it happens again, give the requestId to those who run the service.",
	},
	messages.KindOverloaded: {
		Means:   "More requests are waiting than there is room for.",
		Changed: nothing,
		Do:      "Repeat the request a little later." + sameKey,
		detail:  "the API's queue is full",
	},
	messages.KindUnavailable: {
		Means:   "The part of the service that keeps the settings can't be reached at the moment, for instance because it is being restarted.",
		Changed: nothing,
		Do:      "Repeat the request a little later." + sameKey,
		detail:  "there is no worker",
	},
	messages.KindExpired: {
		Means:   "The request waited longer than a request may take, and was given up before it was carried out.",
		Changed: "No. Nothing was changed, and this request won't change anything any more.",
		Do:      "Repeat the request a little later." + sameKey,
		detail:  "it waited in the API's queue all the time",
	},
	messages.KindOutcomeUnknown: {
		Means:   "The write was handed on, but no answer came back in time.",
		Changed: "Perhaps. It may have been applied, it may be applied within the next seconds, or it may be lost.",
		Do: "If it had an Idempotency-Key, repeat it with the same key: it is applied once, and you get its answer. " +
			"If it had none, read the settings and see before you repeat it.",
		detail: "no worker answered in time",
	},
}
