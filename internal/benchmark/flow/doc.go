// Package flow is what the two ends of a data-plane benchmark do: one sends numbered records as fast as they go, the other checks
// every number and measures. The ends are the same for every way that records can take, so that only the way is compared; the
// peers that are not written in Go do the same in their own language.
//
// A record begins with its number, 8 bytes, little-endian; the rest is copied from a buffer that stays in the cache. The
// reader reads the number of each, in place, and nothing else of it. The last record has the bit EndBit set beside the number
// of records before it, and is followed by nothing. The reader's clock runs from when it has read for Load.Warm to the last record.
//
// Packages benchmark/ring and benchmark/wire are the callers.
package flow
