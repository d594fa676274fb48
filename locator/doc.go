// Package locator describes where a leased thing lies and how to reach it: a queue (ring), a memory region or a block
// region, on which node, under which generation.
//
// A Locator is versioned and checksummed in every form that leaves the process. A damaged one gives an error that says
// what is wrong, never a stale or default value. The package does no I/O; the registry stores locators, the client
// resolves them, and nothing here knows how.
package locator
