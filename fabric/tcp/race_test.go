//go:build race

package tcp_test

// fairEdges is as below 8,128 goroutines as the race detector wants it.
const fairEdges = 400
