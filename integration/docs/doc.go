// Package docs follows the documents: what stands in blocks of commands there is typed, in its order, by one shell for each document. The machine is as good
// as fresh: a copy of the sources that git would clone, network, process numbers, settings and state of its own, all else read-only. What is shown to be refused must be; all
// else must work. What the commands print is not compared.
//
// Blocks that are marked as another's are another's: package manual says whose. It needs root, and skips without.
package docs
