package layout

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// ErrNotFixed says that a type has no fixed layout; the text says where.
var ErrNotFixed = errors.New("layout is not fixed")

// Of describes T's layout, for comparing it with another process's, or returns ErrNotFixed: T has a pointer of some kind, padding
// (which would carry bytes that nobody has set), or a bool (of which there are two values, and 256 bytes).
func Of[T any]() (string, error) {
	var b strings.Builder
	if err := describe(&b, reflect.TypeFor[T]()); err != nil {
		return "", err
	}
	return b.String(), nil
}

func describe(b *strings.Builder, t reflect.Type) error {
	switch t.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int, reflect.Uint8, reflect.Uint16, reflect.Uint32,
		reflect.Uint64, reflect.Uint, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		fmt.Fprintf(b, "%s:%d", t.Kind(), t.Size())
		return nil
	case reflect.Array:
		fmt.Fprintf(b, "[%d]", t.Len())
		return describe(b, t.Elem())
	case reflect.Struct:
		return describeStruct(b, t)
	}
	return fmt.Errorf("%v is a %v: %w", t, t.Kind(), ErrNotFixed)
}

func describeStruct(b *strings.Builder, t reflect.Type) error {
	b.WriteByte('{')
	end := uintptr(0)
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Offset != end {
			return fmt.Errorf("%v has %d bytes of padding before %s: %w", t, f.Offset-end, f.Name, ErrNotFixed)
		}
		b.WriteString(f.Name + " ")
		if err := describe(b, f.Type); err != nil {
			return fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
		b.WriteByte(';')
		end = f.Offset + f.Type.Size()
	}
	if end != t.Size() {
		return fmt.Errorf("%v has %d bytes of padding at its end: %w", t, t.Size()-end, ErrNotFixed)
	}
	b.WriteByte('}')
	return nil
}

// Size is the length of T's bytes.
func Size[T any]() int {
	var v T
	return int(unsafe.Sizeof(v))
}

// Bytes returns the memory of *v. T must have a fixed layout.
func Bytes[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// Copy sets *v from b, and reports whether b has the length for it. T must have a fixed layout.
func Copy[T any](v *T, b []byte) bool {
	if in := View[T](b); in != nil { // which the compiler copies without a call
		*v = *in
		return true
	}
	if len(b) != Size[T]() {
		return false
	}
	copy(Bytes(v), b)
	return true
}

// Put makes b, which must have its length, the bytes of *v. T must have a fixed layout.
func Put[T any](b []byte, v *T) {
	if to := View[T](b); to != nil {
		*to = *v
		return
	}
	copy(b, Bytes(v))
}

// View returns b as a T in place, or nil if its length or its place in memory is not right for one: then Copy. T must have a
// fixed layout. The T is valid for as long as b is.
func View[T any](b []byte) *T {
	var v T
	if len(b) != int(unsafe.Sizeof(v)) || len(b) == 0 || uintptr(unsafe.Pointer(&b[0]))%unsafe.Alignof(v) != 0 {
		return nil
	}
	return (*T)(unsafe.Pointer(&b[0]))
}
