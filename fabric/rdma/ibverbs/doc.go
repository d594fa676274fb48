// Package ibverbs is package verbs over real adapters: a thin shim in C over libibverbs, which is loaded when the first adapter is asked for. A
// binary that has it starts also where the library is missing.
//
// It is there with the build tag rdma on Linux, which needs cgo, a C compiler and the headers of libibverbs (docs/rdma.md). Without the
// tag New returns a provider that says so, and nothing of C is built.
//
// What is posted and what completes goes through arrays in C's memory, so that a call crosses into C once whatever the number of elements,
// and no pointer into Go's heap ever does. Descriptors of completion channels, and of what adapters say of themselves, wait in Go's
// netpoller: a pair that rests holds no thread.
package ibverbs
