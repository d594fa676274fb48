// Package hosts makes several hosts of one machine: network namespaces, each with an address of its own, joined by a bridge, with
// cables that can be pulled out. It needs Linux, root, and the commands ip and nsenter. The namespaces have no names, only a process
// each that keeps them: however the program ends, the kernel kills those, and nothing is left.
//
// The benchmark of failures and the integration tests use it. Nothing goes out of the machine: the bridge has no other port.
package hosts
