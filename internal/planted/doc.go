// Package planted holds the switches of bugs that are planted on purpose, so that the checkers can be shown to find them.
//
// In every build but one the switches are constants and false: the compiler drops what they guard. A build with -tags planted
// reads GRAFNODE_PLANT once, at start, and turns on the one switch that it names; empty or unset: none. A name that is none of
// Names ends the process. Such a binary is good for tests only, and says so on its standard error.
//
// Each switch stands at one place of the production code, in an if of its own, where the rule is that it breaks. Callers: registry,
// leasebroker, handoff and stream, where the bugs are, and the simulation of the first two, where reads are modelled.
package planted

// Env is the environment variable that chooses.
const Env = "GRAFNODE_PLANT"

// Names are the bugs that can be planted:
//
//   - stale-read: a default read does not ask whether this node still leads
//   - missed-event: a watch that resumes leaves out the first change after its revision
//   - deposed-expiry: an expiry counts although its proposer's term is over
//   - early-ack: a renewal is acknowledged before its quorum round
//   - reused-generation: the floor of generations is forgotten, which a restore or recovery has raised
//   - lost-tombstone: a deleted edge leaves no tombstone
//   - reused-spare: the generation of a spare that was given up is granted again
//   - forgotten-drain: a node that starts again forgets that its operator has drained it
//   - fastest-branch: an input that is broadcast counts as done once one branch has it
//   - early-checkpoint: a stage with state acknowledges what its checkpoint holds before that is durable
//   - timed-window: a window ends where a checkpoint happens to be made
//   - hasty-sink: a sink stage acknowledges a batch before it has committed it
//   - forgotten-effects: a sink stage that takes over, or is in doubt, does not hear what its sink has already
//   - short-replay: a producer does not send again in its next ring what it keeps
//   - early-output: a stage that logs its outputs sends them before the log is durable
var Names = []string{
	"stale-read", "missed-event", "deposed-expiry", "early-ack", "reused-generation", "lost-tombstone", "reused-spare",
	"forgotten-drain", "fastest-branch", "early-checkpoint", "timed-window",
	"hasty-sink", "forgotten-effects", "short-replay", "early-output",
}
