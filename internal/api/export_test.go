package api

import (
	"maps"
	"slices"

	"github.com/gofiber/fiber/v2"
)

// App is what serves the requests, with its routes.
func (s *Server) App() *fiber.App { return s.app }

// ProblemRow is a row of statuses.
type ProblemRow struct {
	Status int
	Title  string
	Again  bool
}

// Problems is statuses, by kind.
func Problems() map[string]ProblemRow {
	rows := make(map[string]ProblemRow)
	for kind, entry := range statuses {
		rows[string(kind)] = ProblemRow{entry.status, entry.title, entry.again}
	}
	return rows
}

// Explained lists the kinds that have a text of their own.
func Explained() []string {
	var kinds []string
	for kind := range maps.Keys(explanations) {
		kinds = append(kinds, string(kind))
	}
	slices.Sort(kinds)
	return kinds
}

// ValidateOrigins is validateOrigins.
var ValidateOrigins = validateOrigins
