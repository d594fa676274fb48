// Package handoff is the protocol of one edge as pure state machines: what a producer sends, keeps and forgets (Sender), what a
// consumer accepts, drops and acknowledges (Receiver), across any number of rings; and what either does about its rings (Route):
// which it uses, which it keeps as a spare, when it moves, and what it asks of the registry.
//
// All are plain data: an event goes in, an answer comes out, and there is no goroutine, clock or I/O. So the same code
// runs in package edge and in the explorer (package handoff/explore), which drives it through every schedule of crashes,
// zombies, stale views and lost rings within stated bounds.
//
// What they promise together, whatever happens to rings and processes: the consumer is given, lane by lane, a gapless
// prefix of what the producer was told to push, each position once; and the producer forgets nothing that has not been
// acknowledged. Rule numbers in comments are those of docs/protocol.md. Who is producer or consumer is not decided here, nor which
// rings there are: the registry does that. Which of those it has granted an edge uses is the producer's to decide (rule 14).
package handoff
