package tcp

// detector judges whether a peer is silent. It has no clock: it is told of turns, of half a heartbeat each, and counts those in which
// nothing came although this process was awake to hear it.
type detector struct {
	limit int // turns
	quiet int
}

// turn ends a turn and reports whether the peer has been silent for as long as is borne. Starved means that the turn took so much longer
// than it should that this process cannot have run: what came meanwhile may lie unread, and a peer on the same machine may have stood still,
// too. Who was starved accuses nobody: the peer has its whole time again.
func (d *detector) turn(heard, starved bool) (silent bool) {
	if heard || starved {
		d.quiet = 0
		return false
	}
	d.quiet++
	return d.quiet >= d.limit
}

// again gives the peer its whole time again.
func (d *detector) again() { d.quiet = 0 }
