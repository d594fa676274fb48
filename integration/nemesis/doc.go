// Package nemesis plans what is to be broken, when and for how long: a schedule that follows from a seed alone, so that a failure
// can be had again. It is pure; package integration carries the schedule out on real processes.
//
// A plan is a number of phases. In each, a few faults begin at instants of their own and overlap; at its end all is healed, and
// the driver waits until the cluster takes writes again, so that every phase breaks something that worked.
package nemesis
