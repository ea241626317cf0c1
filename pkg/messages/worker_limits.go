package messages

// Limits is the document of the answer to [ActionLimits], as JSON: what a worker holds documents
// and histories to. The API adds what it limits itself, and answers that over HTTP.
type Limits struct {
	Document DocumentLimits `json:"document"`
	Patch    PatchLimits    `json:"patch"`
	Schema   SchemaLimits   `json:"schema"`
	History  HistoryLimits  `json:"history"`
}

// DocumentLimits are the most that one document may have.
type DocumentLimits struct {
	Bytes        int `json:"bytes"`
	Depth        int `json:"depth"` // levels of objects and arrays
	Keys         int `json:"keys"`  // of all objects together
	KeyBytes     int `json:"keyBytes"`
	NumberDigits int `json:"numberDigits"`
}

// PatchLimits are the most that a JSON patch may have, beside the bytes of a document.
type PatchLimits struct {
	Depth     int `json:"depth"`     // levels, its own two included
	CopyBytes int `json:"copyBytes"` // of all that it copies; each value counts 6 beside
}

// SchemaLimits are the most that a schema may have, beside the bytes and keys of a document, and
// that one document may cost.
type SchemaLimits struct {
	Depth         int `json:"depth"`
	Values        int `json:"values"`
	Schemas       int `json:"schemas"`       // in it; 10 bytes of a pattern count as one, too
	PointerBytes  int `json:"pointerBytes"`  // of the JSON pointers to all of these
	PatternBytes  int `json:"patternBytes"`  // of one pattern
	PatternGroups int `json:"patternGroups"` // one in the other
	Evaluations   int `json:"evaluations"`   // schemas that one value may be checked against
	Chain         int `json:"chain"`         // of these, one leading to the next
	Work          int `json:"work"`          // evaluations of one document
}

// HistoryLimits are what the history keeps of each document: the last Versions, and all of the last
// Hours. Of their documents it keeps the newest that fit in Bytes.
type HistoryLimits struct {
	Versions int `json:"versions"`
	Hours    int `json:"hours"`
	Bytes    int `json:"bytes"`
	Page     int `json:"page,omitzero"` // entries in one answer of the API
}
