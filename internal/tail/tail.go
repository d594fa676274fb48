// Package tail keeps the end of a log, so that who looks for what went wrong gets it with all else.
//
// The agent's log goes through it on its way to where it is kept; the node shows it to operators.
package tail

import "sync"

// Tail is a writer that keeps the last Max bytes of what was written, in whole writes. It is safe for concurrent use and never fails.
type Tail struct {
	Max int // bytes

	mu     sync.Mutex
	writes [][]byte // oldest first
	size   int
}

// Write keeps a copy of b.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writes = append(t.writes, append([]byte(nil), b...))
	t.size += len(b)
	gone := 0
	for t.size > t.Max {
		t.size -= len(t.writes[gone])
		t.writes[gone] = nil
		gone++
	}
	t.writes = t.writes[gone:]
	return len(b), nil
}

// Bytes returns a copy of what is kept.
func (t *Tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := make([]byte, 0, t.size)
	for _, w := range t.writes {
		kept = append(kept, w...)
	}
	return kept
}
