package main

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/grafnode/grafnode/api"
)

// advice is what somebody can do about an error that says only what went wrong.
func advice(err error) string {
	switch {
	case errors.Is(err, api.ErrUnknown):
		return "it may have been done: look before asking again"
	case errors.Is(err, api.ErrOverloaded):
		return "nothing was done: ask again in a moment"
	case errors.Is(err, api.ErrNoQuorum):
		return "nothing was done; see who is missing: grafnode operator health"
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) && errors.Is(err, api.ErrUnavailable):
		return "is the node running, and is this its address? Others: --address"
	default:
		return ""
	}
}
