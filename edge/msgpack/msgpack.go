package msgpack

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// Codec implements edge.Codec for any T that MessagePack can carry: see the library for struct tags. The zero Codec is ready.
type Codec[T any] struct{}

// handle is only read.
var handle = func() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{WriteExt: true}
	h.RawToString = true
	h.MaxInitLen = 1 << 10 // a length is the sender's word: memory is there as items are
	return h
}()

// ID implements edge.Codec.
func (Codec[T]) ID() string { return "grafnode/msgpack/1 " + reflect.TypeFor[T]().String() }

// Append implements edge.Codec.
func (Codec[T]) Append(b []byte, v T) ([]byte, error) {
	w := writer(b)
	if err := codec.NewEncoder(&w, handle).Encode(v); err != nil {
		return b, fmt.Errorf("msgpack: encode %v: %w", reflect.TypeFor[T](), err)
	}
	return w, nil
}

// Decode implements edge.Codec.
func (Codec[T]) Decode(b []byte) (v T, err error) {
	if err := codec.NewDecoderBytes(append([]byte{}, b...), handle).Decode(&v); err != nil {
		return v, fmt.Errorf("msgpack: decode %v: %w", reflect.TypeFor[T](), err)
	}
	return v, nil
}

// writer appends.
type writer []byte

func (w *writer) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}
