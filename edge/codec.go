package edge

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
)

// Codec turns items into bytes and back. Its methods must be safe for concurrent use.
//
// A codec that has a method ID() string is known by that; any other by its own type and T's. The hash of it stands in the edge's
// record, and two sides with different IDs get api.ErrCodec: so an ID changes when the encoding does.
type Codec[T any] interface {
	// Append appends v's encoding to b, like append.
	Append(b []byte, v T) ([]byte, error)
	// Decode returns the item encoded in b. b belongs to the ring: the item must not keep it.
	Decode(b []byte) (T, error)
}

func idOf[T any](c Codec[T]) string {
	if named, ok := c.(interface{ ID() string }); ok {
		return named.ID()
	}
	return fmt.Sprintf("codec/1 %T %v", c, reflect.TypeFor[T]())
}

// Into is a Codec that can decode into an item that is there, whose memory it may use again: see Consumer.PopInto.
type Into[T any] interface {
	DecodeInto(b []byte, v *T) error
}

// DefaultCodec returns the codec of an edge without UseCodec. It is fixed, and this is all of it: []byte and string as
// they are; a type that has AppendBinary (or MarshalBinary) and, on its pointer, UnmarshalBinary through these; everything
// else as JSON by encoding/json.
func DefaultCodec[T any]() Codec[T] {
	var v T
	name := reflect.TypeFor[T]().String()
	switch any(v).(type) {
	case []byte:
		return any(bytesCodec{}).(Codec[T])
	case string:
		return any(stringCodec{}).(Codec[T])
	}
	_, unmarshals := any(&v).(encoding.BinaryUnmarshaler)
	_, appends := any(v).(encoding.BinaryAppender)
	_, marshals := any(v).(encoding.BinaryMarshaler)
	if unmarshals && (appends || marshals) {
		return newBinaryCodec[T]("grafnode/binary/1 " + name)
	}
	return JSON[T]()
}

// JSON returns the codec that DefaultCodec falls back to, for types that have a binary encoding too.
func JSON[T any]() Codec[T] {
	return jsonCodec[T]{id: "grafnode/json/1 " + reflect.TypeFor[T]().String()}
}

// CodecHash returns what stands in the record of an edge that carries T with these options.
func CodecHash[T any](opts ...Option) (string, error) {
	c, err := codecOf[T](apply(opts))
	if err != nil {
		return "", err
	}
	return hash(idOf(c)), nil
}

func hash(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

// sized is a codec that knows beforehand how long an item will be, and cannot fail.
type sized[T any] interface {
	size(v T) int
	put(b []byte, v T) []byte // append
}

type bytesCodec struct{}

func (bytesCodec) size(v []byte) int             { return len(v) }
func (bytesCodec) put(b []byte, v []byte) []byte { return append(b, v...) }

func (bytesCodec) ID() string                                { return "grafnode/bytes/1" }
func (bytesCodec) Append(b []byte, v []byte) ([]byte, error) { return append(b, v...), nil }
func (bytesCodec) Decode(b []byte) ([]byte, error)           { return append([]byte{}, b...), nil }

func (bytesCodec) DecodeInto(b []byte, v *[]byte) error {
	*v = append((*v)[:0], b...)
	return nil
}

type stringCodec struct{}

func (stringCodec) size(v string) int             { return len(v) }
func (stringCodec) put(b []byte, v string) []byte { return append(b, v...) }

func (stringCodec) ID() string                                { return "grafnode/string/1" }
func (stringCodec) Append(b []byte, v string) ([]byte, error) { return append(b, v...), nil }
func (stringCodec) Decode(b []byte) (string, error)           { return string(b), nil }

type jsonCodec[T any] struct{ id string }

func (c jsonCodec[T]) ID() string { return c.id }

func (c jsonCodec[T]) Append(b []byte, v T) ([]byte, error) {
	enc, err := json.Marshal(v)
	if err != nil {
		return b, fmt.Errorf("edge: encode %s: %w", c.id, err)
	}
	return append(b, enc...), nil
}

func (c jsonCodec[T]) Decode(b []byte) (v T, err error) {
	if err = json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("edge: decode %s: %w", c.id, err)
	}
	return v, nil
}
