//go:build !race

package turn

// storeRelease stores v, so that whoever loads it sees all that was stored before. That is a plain store on this processor;
// sync/atomic's is an exchange, which first waits until all that was written before belongs to this core, and only then asks for
// its own. Go's compiler keeps stores in the order in which they stand, and loads on their side of a store, as long as they may
// concern the same memory; the atomic loads around this one always do. The race detector would call it a race, so it gets
// the exchange.
func storeRelease(w *uint32, v uint32) { *w = v }
