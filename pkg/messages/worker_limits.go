package messages

// Limits is the document of the answer to [ActionLimits], as JSON: what a worker holds documents
// and histories to. The API adds what it limits itself, and answers that over HTTP.
type Limits struct {
	Document DocumentLimits `json:"document"`
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

// HistoryLimits are what the history keeps of each document: the last Versions, and all of the last
// Hours. Of their documents it keeps the newest that fit in Bytes.
type HistoryLimits struct {
	Versions int `json:"versions"`
	Hours    int `json:"hours"`
	Bytes    int `json:"bytes"`
	Page     int `json:"page,omitzero"` // entries in one answer of the API
}
