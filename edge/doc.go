// Package edge is the boundary between two stages: a typed queue that survives the loss of its memory, of its nodes and
// of the processes at its ends.
//
// A stage takes its roles (Claim, or Produce and Consume by themselves), pushes items with their positions, and pops and
// acknowledges them at the other end. When the ring is lost, the producer goes on in the spare that it
// keeps on another node, and the consumer follows; or, if that will not do, the side that notices asks the registry for a new ring. Both
// sides bind it, the consumer says where to resume, and the producer sends again what was not accepted (DESIGN.md). All of that
// happens inside the calls: the caller of Push, Pop or All sees an error only if it has been replaced (fence.ErrFenced),
// if its session has ended (api.ErrSessionLost), if its context ends, or if carrying on would lose data.
//
// Promises: items arrive in the order of each lane's positions, none missing, none twice, for as long as some process
// can push again what was never acknowledged. Full means wait. Nothing is remembered without bound: a producer keeps at
// most its window. Not promised: that a process which stops between having an item's effect and acknowledging it does
// not see the item again; a store that keeps position and effect together, given to ResumeFrom, closes that gap.
//
// Speed: for each item, a push encodes it where it will lie in the ring, which keeps it until its acknowledgement, and wakes nobody
// unless the consumer waits; most pops touch neither lock nor ring. Once for up to 64 items, a pop takes them all from the ring under one
// lock. Once for 16 KiB, a push publishes and looks for acknowledgements, which travel for an eighth of the ring or after a millisecond.
// When a ring is left, what it still keeps is verified and moved. Nothing is allocated for an item but what a codec allocates and
// the copy that an owned []byte or string is, which PopInto and View avoid.
//
// Seeing: Stats says how the edge stands by what this side knows (api.EdgeState), since when, and, at the producer, how much is not acknowledged and for
// how long; and, once, how each rewire went, phase by phase, which Events.Rewired tells at once. It costs no item anything: stalled, and
// the lag in time, are seen from one Stats to the next, so it should be asked about once a second, as package stream does.
//
// Who calls it: package stream, and programs that want an edge without a pipeline. The control plane behind it is the
// interface Cluster, which client.Client satisfies. The protocol itself is in package handoff.
package edge
