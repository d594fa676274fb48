package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/grafnode/grafnode/api"
)

// Encode returns c as it stands in the log.
func Encode(c Command, proposed int64) ([]byte, error) {
	payload := binary.LittleEndian.AppendUint64(make([]byte, 0, 512), uint64(proposed))
	payload, err := appendValue(payload, pointed(c))
	if err != nil {
		return nil, fmt.Errorf("%T: %w: %w", c, api.ErrInternal, err)
	}
	return appendFrame(make([]byte, 0, frameHead+len(payload)), c.kind(), payload)
}

// pointed returns a pointer to those commands that are fielded.
func pointed(c Command) any {
	switch c := c.(type) {
	case ChangeEdges:
		return &c
	case ChangeSpare:
		return &c
	case Allowance:
		return &c
	case Expire:
		return &c
	}
	return c
}

// Decode reads what Encode wrote. Any error means that this node must not go on: the entry is committed, and
// its peers may well understand it.
func Decode(b []byte) (c Command, proposed int64, err error) {
	r := bytes.NewReader(b)
	k, payload, err := readFrame(r)
	if err != nil {
		return nil, 0, err
	}
	if r.Len() != 0 || len(payload) < 8 {
		return nil, 0, fmt.Errorf("command of kind %d: %d bytes after it: %w", k, r.Len(), api.ErrCorrupt)
	}
	typ, ok := commands[k]
	if !ok {
		return nil, 0, fmt.Errorf("command of unknown kind %d: %w", k, ErrNewer)
	}
	v := reflect.New(typ)
	if err := decodeValue(payload[8:], v.Interface(), nil); err != nil {
		return nil, 0, err
	}
	c = v.Elem().Interface().(Command)
	if up, ok := c.(Upgrade); ok && up.Level > Level {
		return nil, 0, checkLevel(up.Level)
	}
	return c, int64(binary.LittleEndian.Uint64(payload)), nil
}
