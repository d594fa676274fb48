//go:build !race

package tcp_test

// fairEdges is how many edges share one node in TestEdgesShareANodeFairly, with two connections each.
const fairEdges = 1000
