//go:build !race

package ring

import (
	"sync/atomic"
	"unsafe"
)

// storeRelease stores v, so that whoever loads it sees all that was stored before. That is a plain store on this processor;
// sync/atomic's is an exchange, which first waits until every line written before belongs to this core, and only then asks for
// its own. The compiler knows nothing about a function that it must not look into, so it moves nothing across. The race detector
// would call a plain store a race, so it gets the exchange.
//
//go:noinline
func storeRelease(w *atomic.Uint64, v uint64) { *(*uint64)(unsafe.Pointer(w)) = v }
