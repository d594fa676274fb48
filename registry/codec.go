package registry

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/grafnode/grafnode/api"
)

// encodeCommand returns c as it stands in the log.
func encodeCommand(c Command, proposed int64) ([]byte, error) {
	value, err := encodeValue(nil, c)
	if err != nil {
		return nil, fmt.Errorf("%T: %w: %w", c, api.ErrInternal, err)
	}
	payload := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(value)), uint64(proposed))
	return appendFrame(nil, c.kind(), append(payload, value...))
}

// decodeCommand reads what encodeCommand wrote. Any error means that this node must not go on: the entry is committed, and
// its peers may well understand it.
func decodeCommand(b []byte) (c Command, proposed int64, err error) {
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
		return nil, 0, fmt.Errorf("command of unknown kind %d: %w", k, errNewer)
	}
	v := reflect.New(typ)
	if err := decodeValue(payload[8:], v.Interface()); err != nil {
		return nil, 0, err
	}
	c = v.Elem().Interface().(Command)
	if up, ok := c.(Upgrade); ok && up.Level > Level {
		return nil, 0, checkLevel(up.Level)
	}
	return c, int64(binary.LittleEndian.Uint64(payload)), nil
}
