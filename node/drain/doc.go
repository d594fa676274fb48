// Package drain empties nodes on which nothing new is placed any more: whoever leads moves their rings elsewhere, one edge after the
// other, and gives their spares up, for which the producers then arm others. It hands leadership on first if it leads on such a
// node itself.
//
// What is to be drained stands in the registry, so a drain outlives its leader, its operator and its node. What cannot be moved now
// is tried again, ever more seldom. Storage and memory outside edges stay where they are: only their holders know how to move
// what is in them.
//
// Nothing rests on it but that drains end. Callers: node, on each node, for as long as it leads.
package drain
