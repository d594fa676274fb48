package stream

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/position"
)

// windows is the checkpoint of a stage with windows. As bytes, with numbers as unsigned varints:
//
//	size  field
//	1     version, 1
//	...   n, the size of a full window
//	...   number of lanes, in their order, and for each
//	20      position of the last input taken
//	...     items in the open window, less than n; if any
//	20        position of the last of them
//	...       size of the state
//	...       state, by its codec
type windows struct {
	n     uint64
	lanes []laneWindow
}

type laneWindow struct {
	at    position.Position
	items uint64
	last  position.Position
	state []byte
}

const windowsVersion = 1

func (c windows) append(b []byte) []byte {
	b = append(b, windowsVersion)
	b = binary.AppendUvarint(b, c.n)
	b = binary.AppendUvarint(b, uint64(len(c.lanes)))
	for _, lane := range c.lanes {
		b = binary.AppendUvarint(lane.at.Append(b), lane.items)
		if lane.items > 0 {
			b = binary.AppendUvarint(lane.last.Append(b), uint64(len(lane.state)))
			b = append(b, lane.state...)
		}
	}
	return b
}

// decodeWindows reads what append has made. States alias b.
func decodeWindows(b []byte) (windows, error) {
	r := fields{b: b}
	var c windows
	if v := r.bytes(1); r.err == nil && v[0] != windowsVersion {
		r.fail("version %d, this program reads %d", v[0], windowsVersion)
	}
	c.n = r.number()
	lanes := r.number()
	if lanes > position.LanesMax {
		r.fail("%d lanes", lanes)
	}
	for range lanes {
		if r.err != nil {
			break
		}
		lane := laneWindow{at: r.position(), items: r.number()}
		if n := len(c.lanes); n > 0 && c.lanes[n-1].at.Lane >= lane.at.Lane {
			r.fail("lane %d after %d", lane.at.Lane, c.lanes[n-1].at.Lane)
		}
		if lane.items >= max(c.n, 1) {
			r.fail("%d items in a window of %d", lane.items, c.n)
		}
		if lane.items > 0 {
			lane.last = r.position()
			lane.state = r.bytes(r.number())
			if lane.last.Lane != lane.at.Lane {
				r.fail("lane %d has an item of lane %d", lane.at.Lane, lane.last.Lane)
			}
		}
		c.lanes = append(c.lanes, lane)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return windows{}, fmt.Errorf("stored windows: %w: %w", r.err, api.ErrCorrupt)
	}
	return c, nil
}

var errShort = errors.New("it breaks off")

// fields reads an encoding from its start. After an error all of it reads as zero.
type fields struct {
	b   []byte
	err error
}

func (r *fields) fail(format string, args ...any) {
	if r.err == nil {
		r.err, r.b = fmt.Errorf(format, args...), nil
	}
}

func (r *fields) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail("%w", errShort)
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *fields) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("%w", errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *fields) position() position.Position {
	b := r.bytes(position.EncodedBytes)
	if r.err != nil {
		return position.Position{}
	}
	p, err := position.Decode(b)
	if err != nil {
		r.fail("%w", err)
	}
	return p
}

// listCodec encodes a list of what another codec encodes: for each item its size, as an unsigned varint, and the item.
type listCodec[T any] struct{ of edge.Codec[T] }

// ID names the encoding, which is another if that of the items is.
func (c listCodec[T]) ID() string { return "grafnode/list/1 " + codecID(c.of) }

// Append implements edge.Codec.
func (c listCodec[T]) Append(b []byte, list []T) ([]byte, error) {
	var item []byte
	for i, v := range list {
		var err error
		if item, err = c.of.Append(item[:0], v); err != nil {
			return b, fmt.Errorf("item %d: %w", i, err)
		}
		b = append(binary.AppendUvarint(b, uint64(len(item))), item...)
	}
	return b, nil
}

// Decode implements edge.Codec.
func (c listCodec[T]) Decode(b []byte) ([]T, error) {
	r := fields{b: b}
	var list []T
	for len(r.b) > 0 {
		item := r.bytes(r.number())
		if r.err != nil {
			break
		}
		v, err := c.of.Decode(item)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", len(list), err)
		}
		list = append(list, v)
	}
	if r.err != nil {
		return nil, fmt.Errorf("item %d: %w", len(list), r.err)
	}
	return list, nil
}
