// Package judge says whether a history is one that a linearizable registry could have produced, and names what is wrong if not.
//
// It is pure and apart from what drives the cluster: it sees only package history. What it checks:
//
//   - edges: each group's changes, deletions, moves and reads, default and strict, fit one order (porcupine). A group's edges
//     are one object, so a change of several of them is seen whole or not at all.
//   - records: a revision has one content; generations grow and each is granted once, also across deletion; a ring belongs to
//     one generation; an operation is carried out once, not if it was refused, and not before it was asked for; whatever was
//     confirmed is in the history at the end or behind it; all nodes end with the same state.
//   - checkpoints: their fences, writes and reads fit one order (porcupine).
//   - leases: no session ends before a deadline that its holder was told, none is renewed after its end, and nothing is done under
//     it any more; a lease that was given back or revoked is gone; no two grants share an epoch. A silent session is over by its
//     bound, except by as much as its leader or its node was stopped. That is judged in the leader's own work, not in seconds: only
//     where samples show that one node led throughout, and after so many changes that were carried out since.
//   - watches: ordered, unique, complete up to each bookmark, and never behind the revision from which they go on.
package judge
