// Package plan is what of a failover benchmark needs no process: the kinds of fault and what is wanted of each, the order in which
// they come, which follows from a seed, and what is said of the times that were measured. Pure functions, all of them.
package plan
