package tcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
)

// ErrUnauthorised says that the session does not hold that side of the ring, or that its token is wrong. It is an
// ErrDisconnected too, so that an edge that was overtaken reads its record again.
var ErrUnauthorised = fmt.Errorf("not authorised for this side of the ring: %w", fabric.ErrDisconnected)

// What the owner may say beside the kinds of package api. Append-only.
const (
	kindRefusedSealed       api.Kind = "ring-sealed"
	kindRefusedTaken        api.Kind = "ring-taken"
	kindRefusedUnauthorised api.Kind = "unauthorised"
)

// reasons maps what crosses the wire to what the remote side's calls return. Everything else is ErrDisconnected, with the
// owner's error beneath it.
var reasons = []struct {
	kind     api.Kind
	sentinel error
}{
	{api.KindExpired, fabric.ErrLeaseExpired},
	{api.KindRevoked, fabric.ErrRevoked},
	{api.KindCorrupt, fabric.ErrCorrupt},
	{kindRefusedSealed, fabric.ErrSealed},
	{kindRefusedTaken, fabric.ErrTaken},
	{kindRefusedUnauthorised, ErrUnauthorised},
}

// A refusal's text is cut at refusalTextMax bytes. In JSON one may become six.
const (
	refusalTextMax = 512
	refusalMax     = 4 << 10
)

// refusal puts err into words for the other side.
func refusal(err error) *api.Error {
	e := api.ErrorOf(err)
	for _, r := range reasons {
		if errors.Is(err, r.sentinel) {
			e.Kind = r.kind
			break
		}
	}
	if len(e.Message) > refusalTextMax {
		e.Message = strings.ToValidUTF8(e.Message[:refusalTextMax], "") + "..."
	}
	return e
}

// decodeRefusal returns the error that a seal's payload stands for. It is never nil, and Lost is true for it.
func decodeRefusal(b []byte) error {
	var e api.Error
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("seal without a readable reason (%w): %w", err, fabric.ErrDisconnected)
	}
	return lossOf(&e)
}

// lossOf returns what a call returns for the owner's refusal e.
func lossOf(e *api.Error) error {
	for _, r := range reasons {
		if e.Kind == r.kind {
			return fmt.Errorf("%w (the ring's node says: %s)", r.sentinel, e.Message)
		}
	}
	return fmt.Errorf("%w: the ring's node says: %w", fabric.ErrDisconnected, e)
}
