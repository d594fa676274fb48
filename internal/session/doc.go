// Package session is a stage process's end of its session as a pure step machine: no goroutine, no clock, no lock, no I/O.
//
// A Machine lives as long as one session. It says hello to the own node until the session is open, and again whenever the line to
// the node has broken; shows life over the line every third of a term; moves the deadline as the node says; and ends once: by the
// node's word, by a refusal that another try would repeat, by its owner, or at the deadline.
//
// Promised: at and after the deadline every step and every question finds the session over, whatever comes later; before it, only
// one of the other ends does; the end is told once, and nothing is asked for afterwards; there is never more than one line, a
// hello under way counting as one, and each one that was asked for is hung up, refused or broken before the next. What is said of
// a line that is none any more changes nothing.
//
// Not promised: that the node hears the beats, or in time; that is why there is a deadline. The machine knows no timer: its
// caller asks Next when to call Tick, and calling late costs beats and never the promise, because whoever relies on the session
// asks Over, which looks at the clock.
//
// Callers: client, where lines are Unix sockets and Now is CLOCK_BOOTTIME, and registry/simulate, which owns both.
package session
