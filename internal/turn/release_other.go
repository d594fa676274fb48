//go:build race || !amd64

package turn

import "sync/atomic"

// storeRelease stores v, so that whoever loads it sees all that was stored before.
func storeRelease(w *uint32, v uint32) { atomic.StoreUint32(w, v) }
