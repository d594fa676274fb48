// Package group decides what the leader does to the Raft group by itself, as pure rules.
//
// It takes nodes in that gossip has found, first without a vote; gives them one when they have caught up and stayed in contact;
// corrects addresses; and raises the level of the state when all know a higher one. It never takes a node out for being away:
// gossip cannot tell the dead from the unreachable, and a group that shrinks by itself loses its majority to a cut. That is an
// operator's act, with one exception: a wiped node is another node at the same address, where Raft takes only one, so its
// predecessor is replaced.
//
// Nothing here is needed for safety, which is Raft's own: one change at a time, each by the majority before and after it. Callers:
// node, for what gossip and its registry say, and registry/simulate, for what its world says.
package group
