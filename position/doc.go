// Package position names items.
//
// A Position is an item's identity on its edge: which source lane it comes from, which offset in that source, and which
// output of that offset it is. It is a pure function of the input, so a restarted stage computes the same positions
// and keeps no counter; repeats are recognised by comparing, and a sink stores one position to say what it has done.
//
// A Vector holds the last position of each lane. Positions of different lanes have no order.
//
// The package has no I/O and no clock. It is used by handoff, edge, stream, durable and every sink.
package position
