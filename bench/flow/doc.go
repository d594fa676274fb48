// Package flow is a copy of grafnode's internal/benchmark/flow, so that the peers' ends do what ours do. A test there compares the
// files; that package's comment says what it is.
package flow
