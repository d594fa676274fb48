package host

import "github.com/grafnode/grafnode/fabric"

// RingUsage is a ring of this node's that has memory.
type RingUsage struct {
	Ring     Ring
	Sealed   error // why it ended; nil: it is in use
	Attached int   // sides attached now
	Usage    fabric.Usage
}

// Rings returns the rings that have memory here, among them those that are sealed and still mapped.
func (h *Host) Rings() []RingUsage {
	h.mu.Lock()
	defer h.mu.Unlock()
	var rings []RingUsage
	for _, a := range h.arenas {
		if a.mem == nil || a.closed && len(a.sides) == 0 {
			continue // not made yet, or given back
		}
		u := RingUsage{Ring: a.ring, Sealed: a.reason(), Attached: len(a.sides)}
		if !a.closed {
			u.Usage = a.mem.Usage()
		}
		rings = append(rings, u)
	}
	return rings
}

// Memory returns how many bytes are in use, counting what is still mapped, and how many there are.
func (h *Host) Memory() (used, of uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.used, h.limits.Memory
}

// Sessions returns how many stages are connected.
func (h *Host) Sessions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}
