package edge

import (
	"fmt"
	"reflect"
	"runtime"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric/layout"
)

// Fixed returns a codec that copies items as they lie in memory, for types without pointers, padding and bools, between hosts
// whose processors are of one kind: its ID has the layout and the kind. It returns layout.ErrNotFixed for other types. In an
// encoding seen in Consumer.View, layout.View finds the item in place.
func Fixed[T any]() (Codec[T], error) {
	desc, err := layout.Of[T]()
	if err != nil {
		return nil, fmt.Errorf("edge: fixed codec: %w", err)
	}
	return fixedCodec[T]{fmt.Sprintf("grafnode/fixed/1 %v %s %s", reflect.TypeFor[T](), desc, runtime.GOARCH)}, nil
}

type fixedCodec[T any] struct{ id string }

func (c fixedCodec[T]) ID() string { return c.id }

func (c fixedCodec[T]) size(T) int               { return layout.Size[T]() }
func (c fixedCodec[T]) put(b []byte, v T) []byte { return append(b, layout.Bytes(&v)...) }

func (c fixedCodec[T]) Append(b []byte, v T) ([]byte, error) { return c.put(b, v), nil }

func (c fixedCodec[T]) Decode(b []byte) (v T, err error) {
	if !layout.Copy(&v, b) {
		err = c.misfit(b)
	}
	return v, err
}

func (c fixedCodec[T]) DecodeInto(b []byte, v *T) error {
	if !layout.Copy(v, b) {
		return c.misfit(b)
	}
	return nil
}

func (c fixedCodec[T]) misfit(b []byte) error {
	return fmt.Errorf("edge: %d bytes are no %v, which has %d: %w", len(b), reflect.TypeFor[T](), layout.Size[T](), api.ErrCodec)
}
