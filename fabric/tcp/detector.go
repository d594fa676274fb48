package tcp

import "time"

// detector judges whether a peer is silent. It has no clock: it is told of turns, of half a heartbeat each if all is well, and how long each
// took.
//
// A turn that took longer shows how late this process is, for want of a processor; and a peer for which it waits on the same machine, or one as
// busy, is no better off. Its word waits for a processor up to four times: for the peer's timer, for who writes it, for the
// poller, for who reads it. So patience is a silence and four times the worst lateness of late. Lateness counts for no more than a silence,
// neither here nor in how long it was quiet: who wakes from a stop has not heard nothing for that long.
type detector struct {
	half    time.Duration // of a heartbeat
	silence time.Duration // how long a peer may say nothing
	quiet   time.Duration // how long it has
	late    time.Duration // the worst lateness, fading
}

const (
	waitsMax = 4 // how often a word waits for a processor on its way
	fading   = 3 // the part of a lateness that is forgotten in a silence is one in so many
)

// turn ends a turn that took so long, and reports whether the peer is silent: after a silence and a turn if no turn is late; and whatever the
// load, before the turn is over in which five silences are, or in five turns if all are late by more than a silence.
func (d *detector) turn(heard bool, took time.Duration) (silent bool) {
	late := min(max(took-d.half, 0), d.silence)
	d.late = max(late, d.late-d.late/(fading*(d.silence/d.half)))
	if heard {
		d.quiet = 0
		return false
	}
	d.quiet += min(took, d.half+d.silence)
	return d.over()
}

// over reports whether patience is. It is a silence and whole turns, so lateness of a few milliseconds changes nothing; and turns do not take
// exactly half a heartbeat.
func (d *detector) over() bool {
	patience := d.silence + (waitsMax * d.late).Truncate(d.half)
	return d.quiet+d.half/8 >= patience
}

// spoke says that the peer has said something so long ago that was not heard, and reports whether it is silent all the same.
func (d *detector) spoke(ago time.Duration) (silent bool) {
	d.quiet = min(d.quiet, ago)
	return d.over()
}
