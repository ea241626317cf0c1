// Package top watches the pool of workers: it asks them again what they have done (ask.go), computes
// rates from the differences (members.go, figures.go), and shows those, once as text or JSON or
// again and again on a terminal (model.go, table.go, view.go).
package top
