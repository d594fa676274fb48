//go:build race || fabricdebug

package edge_test

// allocates says that the build itself allocates for items: the race detector, and lending copies.
const allocates = true
