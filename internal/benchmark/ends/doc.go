// Package ends is the two ends of a benchmark of grafnode's data plane: what package flow sends and checks goes through a ring in
// batches, as single records, or as items of an edge.
//
// Packages benchmark/ring and benchmark/wire are the callers.
package ends
