// Package event is the vocabulary of the demo: what its processes tell it, and what it notes itself. Stage processes write
// events as lines of JSON to a pipe that they inherit; everything that is shown, measured and reported is made of events.
//
// Times are of the host's wall clock, which all the processes share.
package event
