package edge

import (
	"encoding"
	"sync"
)

// binaryCodec uses an item's own methods. They are called on items in boxes that are used again: an item in an interface would
// be a piece of garbage each.
type binaryCodec[T any] struct {
	id    string
	boxes *sync.Pool // of *box[T]
}

type box[T any] struct {
	v         T
	append    func([]byte) ([]byte, error)
	unmarshal func([]byte) error
}

// newBinaryCodec returns a codec for a T whose pointer is an encoding.BinaryUnmarshaler and an encoding.BinaryAppender or
// encoding.BinaryMarshaler.
func newBinaryCodec[T any](id string) Codec[T] {
	return binaryCodec[T]{id, &sync.Pool{New: func() any {
		b := new(box[T])
		b.unmarshal = any(&b.v).(encoding.BinaryUnmarshaler).UnmarshalBinary
		if a, ok := any(&b.v).(encoding.BinaryAppender); ok {
			b.append = a.AppendBinary
			return b
		}
		marshaler := any(&b.v).(encoding.BinaryMarshaler)
		b.append = func(to []byte) ([]byte, error) {
			enc, err := marshaler.MarshalBinary()
			return append(to, enc...), err
		}
		return b
	}}}
}

func (c binaryCodec[T]) ID() string { return c.id }

func (c binaryCodec[T]) Append(b []byte, v T) ([]byte, error) {
	x := c.boxes.Get().(*box[T])
	defer c.put(x)
	x.v = v
	return x.append(b)
}

func (c binaryCodec[T]) Decode(b []byte) (T, error) {
	x := c.boxes.Get().(*box[T])
	defer c.put(x)
	err := x.unmarshal(b)
	return x.v, err
}

func (c binaryCodec[T]) DecodeInto(b []byte, v *T) error {
	return any(v).(encoding.BinaryUnmarshaler).UnmarshalBinary(b)
}

// put empties a box: it must keep nothing alive.
func (c binaryCodec[T]) put(x *box[T]) {
	var none T
	x.v = none
	c.boxes.Put(x)
}
