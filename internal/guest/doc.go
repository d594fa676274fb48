// Package guest boots emulated machines, for tests of what needs a kernel with other modules than the host's: a program of this host runs in a
// machine of its own, as root, over this host's files, which it can only read. It needs qemu and a kernel package of Debian, which is
// fetched once and kept in the user's cache; it needs no root, no KVM and no network of the host.
//
// A Machine's first process is program init, which is built here, loads modules, mounts, runs what its Job says, and reports how that ended on the
// console. Up to two machines are joined by a cable between their cards, which nothing else is attached to.
//
// Emulation is slow: twenty to fifty times slower than the host. It shows whether a program is right, never how fast it is.
package guest
