// Package stream builds pipelines out of named stages that are linked by edges.
//
// A program describes the whole pipeline, From a source through Map, Filter and FlatMap To a sink, and then runs all of
// it or some of its stages; other processes with the same description run the others. The edge between two stages has the
// name of the pipeline, a dot, and the name of the stage that produces it. Whatever fails, process, node, ring or network,
// the pipeline goes on from the item where it was: each input has its effect on the sink once, in the order of its lane.
//
// What that rests on, for the writer of a stage: functions are deterministic, so that an item that is worked on again gives the
// same outputs, or is rejected again; a Source can read again what was not acknowledged; a Sink writes effects and positions in
// one atomic step. If a function's verdict on an item changes, as that of one that calls out may, then after a failure the item
// may be both in the sink and in the dead letters, or in neither: Retry is for failures that end. A Sink without transactions is
// made by Upsert, and its effects may happen again, with the same outcome. Effects that a function has beside its outputs are
// outside the guarantee. A stage's function is replaced by another at a drained barrier only.
//
// An item that cannot be worked on does not stop the others: with DeadLetter it goes to a sink of its own and counts as
// done once it is durable there. Nothing is buffered without bound: full edges make the stages before them wait.
//
// Who calls it: stage programs. It calls package edge, for which it needs an edge.Cluster: client.Client, or
// edgetest in tests.
package stream
