// Package stream builds pipelines out of named stages that are linked by edges.
//
// A program describes the whole pipeline, From a source through Map, Filter and FlatMap To a sink, and then runs all of
// it or some of its stages; other processes with the same description run the others. Flows fork by Broadcast and
// Partition, and meet by Merge; Batch and Window gather items. The edge between two stages has the name of the pipeline, a dot,
// and the name of the stage that produces it; a fan-out's edges have a dot and the number of the branch, too. Whatever fails,
// process, node, ring or network, the pipeline goes on from the item where it was: each input has its effect on each sink that it
// reaches once, in the order of its lane.
//
// What that rests on, for the writer of a stage: functions are deterministic, so that an item that is worked on again gives the
// same outputs, or is rejected again; a Source can read again what was not acknowledged; a Sink writes effects and positions in
// one atomic step. A function that calls out or looks at a clock is not deterministic, and its stage is given LogOutputs. If a
// verdict on an item changes without that, the item may, after a failure, be both in the sink and in the dead letters, or in
// neither: Retry is for failures that end. A Sink without transactions is made by Upsert, and its effects may happen again, with
// the same outcome. Effects that a function has beside its outputs are outside the guarantee. A stage's function is replaced by
// another at a drained barrier only.
//
// An item that cannot be worked on does not stop the others: with DeadLetter it goes to a sink of its own and counts as
// done once it is durable there. Nothing is buffered without bound: full edges make the stages before them wait.
//
// # What each shape promises
//
// Positions. They are functions of the input's positions, so a stage that begins again gives its outputs the same ones, and
// whoever has them already drops them. Map, Filter and fan-outs keep the input's position: it names an item on its edge, and
// branches are edges of their own. FlatMap numbers children. Batch and Window give an output its last item's position, and count
// from the beginning of a lane, so that borders are where they were. Merge keeps lanes apart by numbering them anew. Across lanes there
// is no order, anywhere.
//
// Acknowledgements. An input is acknowledged upstream once all of its outputs, in all branches that they went to, are
// acknowledged, and its reject is durable. So the slowest branch holds back the source's cursor. Batch and Window acknowledge what a
// checkpoint holds, once that is durable and the outputs before it are acknowledged; a stage with LogOutputs what its log holds, but for
// the end of a lane, which waits for what is downstream.
//
// Progress. What makes no output is passed by a mark, which travels behind the next item, or alone a millisecond later, to every
// branch; so is the end of a lane, for good. Items that a Partition sends elsewhere need no mark, as nothing waits for them here. A
// stage ends when all lanes of all its inputs have ended and all that it sent is acknowledged.
//
// Takeover. All of a stage's edges go to its standby in one operation. Stages without state go on after what was
// acknowledged, make the same outputs again, and downstream drops those that it has. Batch and Window fence their checkpoint under
// the stage's epoch, only then read it, and go on after what it holds, with that state. A log is fenced and read in the same way, and
// what it holds is sent again.
//
// Bounds. A stage keeps what its outputs' windows hold, Capacity each, and waits while one of them is full: a full branch stops
// its stage, and so the other branches, and not memory. No stage waits for one input before it reads another, so flows that fork
// and meet again cannot block each other. A window that waits for items holds up what shares a source with it, once edges are full,
// no longer than until its next checkpoint: see Checkpoint.
//
// Who calls it: stage programs. It calls package edge, for which it needs an edge.Cluster: client.Client, or
// edgetest in tests. Package streamtest tests what is built with it.
package stream
