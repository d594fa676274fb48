// Package streamtest tests pipelines of one's own: Run plays them on simulated nodes, with all the failures that clusters have, by
// seed, in one process and in made-up time. Sink is a sink in memory: transactional, fenced, and failing on demand.
//
// A test says what the pipeline is, and what is to come out of it; the example of Run is one. Stages run in processes of their own, or several
// in one; one that has a process to itself has a standby at times; on three nodes with spare rings, or on one without. Whatever
// Faults lists happens to rings, nodes, processes, the registry and, by Probe, to commits: while all wait, or between any
// two steps that a process takes to a ring, the registry or a sink. A process that dies is started again, until the pipeline has ended.
//
// What it finds, besides what comes out and should not (Same): a pipeline that does not end; a stage that makes another item at the same
// position than before, which is not deterministic and has no LogOutputs; a sink that answers before what it was given is
// durable, is not fenced, or is not atomic, if it looks at its context between its steps; a cursor ahead of the
// sinks (World.CursorBehind); a run that ends with an error that no failure explains.
//
// A run that fails says what happened and when, and the command that runs its seed again:
//
//	store: of 60 items 1 are lost [59], and 0 are there too often or wrong []
//	what happened: 4.9ms session over; 5ms store: commit lost; 54.9ms ring lost and killed
//	seed 130; again: GRAFNODE_SEED=130 go test -count=20 -run '^TestSquares$' example.org/squares
//
// The seed decides what happens and when, and not which of two goroutines comes first, so that it takes a few of these 20 runs at times.
// World.Only leaves out failures, to see which it takes. That no seed fails proves nothing: rare mistakes want many seeds (GRAFNODE_RUNS).
//
// What it cannot find: what happens in the middle of a function that is not asked to look at its context, as goroutines cannot be
// killed; what a process kept in variables outside of Play's function survives it, as it would not; effects that functions have
// besides their outputs; what real disks, networks and databases do; and races, but with -race. Functions must not wait
// for anything outside of the test, or made-up time stands still.
package streamtest
