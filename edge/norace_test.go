//go:build !race && !fabricdebug

package edge_test

const allocates = false
