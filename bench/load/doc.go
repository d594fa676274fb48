// Package load is the main module's internal/benchmark/load again: see there. load.go is a copy, and stays one.
package load
