//go:build !race

package ring

import (
	"sync/atomic"
	"unsafe"
)

// storeRelease stores v, so that whoever loads it sees all that was stored before. That is a plain store on this processor;
// sync/atomic's is an exchange, which first waits until every line written before belongs to this core, and only then asks for
// its own. Go's compiler keeps stores in the order in which they stand, and a load on its side of a store unless it is proved
// to be of other memory, which no load of the other side's words or data ever is. The race detector would call a plain store a
// race, so it gets the exchange.
func storeRelease(w *atomic.Uint64, v uint64) { *(*uint64)(unsafe.Pointer(w)) = v }
