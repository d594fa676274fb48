//go:build !race

package turn

import "sync/atomic"

// storeRelease stores v, so that whoever loads it sees all that was stored before. That is a plain store on this processor;
// sync/atomic's is an exchange, which first waits until every line written before belongs to this core, and only then asks for
// its own. The race detector sees no assembly, so it gets the exchange.
//
//go:noescape
func storeRelease(w *atomic.Uint64, v uint64)
