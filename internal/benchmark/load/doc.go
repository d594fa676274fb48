// Package load puts load on a registry and measures it: the part of a benchmark that runs in the clients' process. Whose
// registry it is does not matter to it; that is what a Target is for.
//
// Our side and each peer run this same code in a process of their own. A peer's lies in another module, under bench/, so it imports nothing
// but the standard library.
package load
