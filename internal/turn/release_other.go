//go:build race || !amd64

package turn

import "sync/atomic"

// storeRelease stores v, so that whoever loads it sees all that was stored before.
func storeRelease(w *atomic.Uint64, v uint64) { w.Store(v) }
