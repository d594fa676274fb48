// Package watchstream is both ends of a watch as pure steps: no goroutine, no clock, no lock, no I/O.
//
// Log holds the last changes of the registry, bounded by count and bytes. Cursor is how far one reader's stream has come: asked
// with the newest View, it says what to send next. It has no queue: it reads the log, and for a reader who is too slow for that
// the state. History is the reader's end: it makes one history of the streams of several nodes, one after the other, so that a
// restart, a failover, a truncated log or a restored snapshot looks like nothing but changes.
//
// Promised: changes come in the order of their revisions, each once; those of one revision are not split by a bookmark; a
// bookmark or sync at a revision comes after everything up to it; in mode all nothing is left out, or the stream ends with
// api.ErrGap; in mode latest the newest change of each record is never left out; a resumed stream begins after its revision, and
// a node that has not come that far sends nothing. Not promised: that a stream is recent; its callers watch over that. Package
// watchcheck judges recorded streams by these promises.
//
// A record that stops matching a filter is reported once, as left, at the revision of that change; one that begins to match as an
// ordinary change.
//
// Callers: registry/state (what is shown of its records), registry (Log, Cursor), client (History), and the simulation (all).
package watchstream
