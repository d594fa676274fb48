// Grafnode is the node agent and its command line.
//
//	grafnode agent    run a node
//	grafnode demo     see a pipeline rewire around failures, on this machine
//	grafnode edge     list, get, watch, trace and move edges
//	grafnode fabric   what this host can carry edges with
//	grafnode members  the nodes of the cluster
//	grafnode leases   what is lent to whom
//	grafnode status   one node's view of itself and its cluster
//	grafnode version  which build this is
//
// Exit status: 0 done, 1 it failed, 2 it was asked wrongly (a flag, address, file or directory that cannot be). Either
// failure prints one line on the standard error.
package main
