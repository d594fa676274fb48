// Package source has sources that need nothing but the standard library: the lines of a file, and a slice.
//
// Both number their items from 1 in lane 0 and end; that number is the item's offset, so that a stage that starts again
// finds its place by counting.
package source
