// Package rdma tests edges over RDMA on adapters: those that Linux plays over an ordinary card (Soft-RoCE), in emulated machines, as hosts without
// adapters have no kernel for them. Each test compiles the tests of another package with the tag rdma, runs them in one machine, or one
// role of them in each of two, and fails when they do.
//
// It needs what package internal/guest needs, a C compiler and the headers and drivers of libibverbs, and skips without, saying so:
// `make test-rdma`, and `make ci`. It shows that the protocol is right over queue pairs, not how fast it is: see docs/rdma.md.
package rdma
