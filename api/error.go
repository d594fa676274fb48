package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// Kind is a kind of error that crosses the wire. The list is closed and append-only.
type Kind string

// The kinds, each with the sentinel that errors.Is finds on the client's side.
const (
	KindInvalid     Kind = "invalid"      // the request is malformed; says what is wrong
	KindNotFound    Kind = "not-found"    // no such edge, lease, session, checkpoint
	KindConflict    Kind = "conflict"     // the record's revision is another; read again
	KindFenced      Kind = "fenced"       // a newer epoch has taken over
	KindCodec       Kind = "codec"        // the two sides of an edge use different codecs
	KindSession     Kind = "session-lost" // the session has ended
	KindExpired     Kind = "lease-expired"
	KindRevoked     Kind = "lease-revoked"
	KindNoRoom      Kind = "no-room"       // no healthy node has room for the arena
	KindNoQuorum    Kind = "no-quorum"     // no leader or no majority: not applied
	KindUnknown     Kind = "unknown"       // may have been applied: read again before anything else
	KindTooLarge    Kind = "too-large"     // over a documented limit
	KindUnavailable Kind = "unavailable"   // this node cannot answer now; another may
	KindOverloaded  Kind = "overloaded"    // the leader has as much to do as it takes on: not applied; wait, then ask again
	KindGap         Kind = "gap"           // a watch of every change would have had to leave some out; says where to go on
	KindCluster     Kind = "other-cluster" // the node is of another cluster than the request is for: not done
	KindUnsupported Kind = "unsupported"   // not on this platform or build
	KindCorrupt     Kind = "corrupt"       // stored data failed its check
	KindForbidden   Kind = "forbidden"     // the caller has not the right that this needs
	KindInternal    Kind = "internal"      // a bug; the node's log says more
)

// The sentinels without a home elsewhere.
var (
	ErrInvalid     = errors.New("invalid request")
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("conflict: changed meanwhile")
	ErrCodec       = errors.New("codec mismatch between the sides of an edge")
	ErrSessionLost = errors.New("session has ended")
	ErrNoRoom      = errors.New("no healthy node has room")
	ErrNoQuorum    = errors.New("no quorum: not applied")
	ErrUnknown     = errors.New("outcome unknown")
	ErrTooLarge    = errors.New("over the limit")
	ErrUnavailable = errors.New("node unavailable")
	ErrOverloaded  = errors.New("overloaded: not applied")
	ErrGap         = errors.New("watch has a gap")
	ErrCluster     = errors.New("another cluster")
	ErrCorrupt     = errors.New("stored data is corrupt")
	ErrForbidden   = errors.New("not allowed")
	ErrInternal    = errors.New("internal error")
)

type kindInfo struct {
	kind      Kind
	sentinel  error
	status    int
	retryable bool
}

// kinds in the order in which ErrorOf asks for them: the first sentinel found names the error. What leaves an outcome open
// comes first, whatever else the error says, so that it is never taken for settled; then what ends its caller's claim; then
// what is the request's fault; last what says only that it did not work.
var kinds = []kindInfo{
	{KindUnknown, ErrUnknown, http.StatusGatewayTimeout, false},
	{KindFenced, fence.ErrFenced, http.StatusForbidden, false},
	{KindSession, ErrSessionLost, http.StatusGone, false},
	{KindExpired, lease.ErrExpired, http.StatusGone, false},
	{KindRevoked, lease.ErrRevoked, http.StatusGone, false},
	{KindCodec, ErrCodec, http.StatusConflict, false},
	{KindConflict, ErrConflict, http.StatusConflict, true},
	{KindNotFound, ErrNotFound, http.StatusNotFound, false},
	{KindNoRoom, ErrNoRoom, http.StatusInsufficientStorage, true},
	{KindTooLarge, ErrTooLarge, http.StatusRequestEntityTooLarge, false},
	{KindCorrupt, ErrCorrupt, http.StatusInternalServerError, false},
	{KindUnsupported, fabric.ErrUnsupported, http.StatusNotImplemented, false},
	{KindInvalid, ErrInvalid, http.StatusBadRequest, false},
	{KindForbidden, ErrForbidden, http.StatusForbidden, false},
	{KindCluster, ErrCluster, http.StatusMisdirectedRequest, false},
	{KindGap, ErrGap, http.StatusGone, false},
	{KindOverloaded, ErrOverloaded, http.StatusTooManyRequests, true},
	{KindNoQuorum, ErrNoQuorum, http.StatusServiceUnavailable, true},
	{KindUnavailable, ErrUnavailable, http.StatusServiceUnavailable, true},
	{KindInternal, ErrInternal, http.StatusInternalServerError, false},
}

// infoOf returns what is known of a kind; one that is not known, from a newer node, is an internal error.
func infoOf(k Kind) kindInfo {
	for _, info := range kinds {
		if info.kind == k {
			return info
		}
	}
	return kinds[len(kinds)-1]
}

// Error is an error as it crosses the wire. errors.Is finds its kind's sentinel.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the sentinel of e's kind; an unknown kind, from a newer node, is ErrInternal.
func (e *Error) Unwrap() error { return infoOf(e.Kind).sentinel }

// Retryable reports whether the same request may succeed later or after reading again.
func (e *Error) Retryable() bool { return infoOf(e.Kind).retryable }

// Status returns the HTTP status of e's kind.
func (e *Error) Status() int { return infoOf(e.Kind).status }

// Errorf makes an Error of the given kind.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// ErrorOf returns err as a wire error, of the kind whose sentinel it wraps, or internal. Of several the first in the order of
// kinds counts, so the same error always has the same kind.
func ErrorOf(err error) *Error {
	for _, info := range kinds {
		if errors.Is(err, info.sentinel) {
			return &Error{Kind: info.kind, Message: err.Error()}
		}
	}
	return &Error{Kind: KindInternal, Message: err.Error()}
}
