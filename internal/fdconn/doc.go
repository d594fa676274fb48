// Package fdconn carries messages, each with a few file descriptors if need be, over a Unix stream socket.
//
// A frame is a 4-byte little-endian length and that many bytes of JSON; descriptors travel beside its first byte. A Conn
// promises that a frame arrives whole and with exactly the descriptors that it was sent with, or that the connection is
// broken: a length over the limit is refused before anything is allocated for it, cut-off ancillary data
// (MSG_CTRUNC), descriptors beside a frame's body and too many of them are errors, and every descriptor that is not
// handed to the caller is closed. It does not promise that the peer is honest about anything inside the JSON.
//
// It is used by package client and package node/host, the two ends of a stage's session. Off Linux frames work;
// descriptors and peer credentials are errors.ErrUnsupported.
package fdconn
