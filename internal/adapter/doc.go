// Package adapter reads what a host's kernel says of RDMA adapters, and says in plain words what would have to change for an edge to use
// them. It reads files only: no library, no cgo, no privileges, so that it also answers where RDMA is missing altogether.
//
// `grafnode fabric probe` prints it.
package adapter
