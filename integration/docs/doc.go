// Package docs follows the documents: what stands in blocks of commands there is typed, in its order, by one shell for each document. The machine is as good
// as fresh: a copy of the sources that git would clone, network, process numbers, settings and state of its own, all else read-only. What is shown to be refused must be; all
// else must work. What the commands print is not compared.
//
// Blocks of Go are put into the programs that a reader would write around them, and compiled; a whole program is run beside a node.
//
// Blocks that are marked as another's are another's: package manual says whose. It needs root for the commands, and skips them without.
package docs
