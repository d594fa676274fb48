package raftguard

import (
	"errors"
	"syscall"
)

// isRefused reports whether err says that nobody listens at an address on a host that answers.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
