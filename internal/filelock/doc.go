// Package filelock locks a file against other processes, until it is unlocked or closed, which the death of its process does
// too. It is advisory, and a process does not exclude itself through another descriptor on every system: callers of one
// process take turns by other means. Package node locks data directories with it, package durable its files.
//
// It is our own because what there is in the standard library is internal to it, and a stage program is to have no
// dependency beyond golang.org/x for thirty lines.
package filelock

import "errors"

// ErrLocked says that another holder has the lock.
var ErrLocked = errors.New("locked by another process")
