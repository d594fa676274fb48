// Package timeline makes sense of the demo's events: how far the store is, where each edge's ring lies, how fast items flow, and
// for every kill how long it took until somebody noticed, until the edge had a new generation, until a new item went
// through, and how long the sink had nothing to commit.
//
// It is pure: it has no clock, and everything follows from the events that were added. A Timeline belongs to one goroutine.
package timeline
