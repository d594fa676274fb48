package locator_test

import (
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/locator"
)

// A locator travels as bytes that carry their version and a checksum: a damaged one is refused, never followed.
func ExampleLocator() {
	ring := locator.Locator{
		Kind: locator.Queue, Node: "node-2", Zone: "b", Address: "10.0.0.2:7400", Arena: "oz33wriw", Generation: 7, Bytes: 1 << 20,
	}
	b, err := ring.MarshalBinary()
	fmt.Println(err)

	var same, none locator.Locator
	fmt.Println(same.UnmarshalBinary(b), same == ring)
	b[10] ^= 1
	fmt.Println(errors.Is(none.UnmarshalBinary(b), locator.ErrCorrupt), none.IsZero())
	// Output:
	// <nil>
	// <nil> true
	// true true
}
