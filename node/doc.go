// Package node puts one node together from its rooms: registry, gossip, lease time, transport, API, stages and their rings.
//
// It is the only place where the planes meet, and holds what belongs to none of them: the data directory and the identity in
// it, how nodes found a cluster or are taken into one, the registration of each start, the batched renewals, and the order in
// which all of it begins and ends.
//
// Promises: Open returns when the node answers, and Close when nothing of it runs any more; a data directory serves one process
// at a time, one identity, one cluster; nodes never found two clusters with one of them in both; a member gets a vote when it
// has kept up; nobody is removed from a cluster by itself, but a wiped node's predecessor at its address. Not promised: that there is a cluster when Open returns (Problems says why not), or that a node which
// reported a failure on Fatal can be closed; its process should end.
//
// cmd/grafnode runs one node a process; tests run several.
package node
