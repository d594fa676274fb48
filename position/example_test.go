package position_test

import (
	"fmt"

	"github.com/grafnode/grafnode/position"
)

// A stage that makes several outputs of one input numbers them, and ends them with a mark: who has seen the mark knows that
// nothing more comes of that input.
func ExamplePosition() {
	line := position.Position{Lane: 0, Offset: 4711}
	first, _ := line.Child(0)
	second, _ := line.Child(1)
	fmt.Println(line.Compare(first) < 0, first.Compare(second) < 0, second.Compare(line.End()) < 0)
	// Output: true true true
}

// What is acknowledged is the last position of each lane. It covers all before it.
func ExampleVector() {
	acked := position.VectorOf(position.Position{Lane: 0, Offset: 9}, position.Position{Lane: 1, Offset: 3})
	fmt.Println(acked.Covers(position.Position{Lane: 0, Offset: 8}))
	fmt.Println(acked.Covers(position.Position{Lane: 1, Offset: 8}))
	fmt.Println(acked.Covers(position.Position{Lane: 2, Offset: 1})) // a lane that nobody has heard of
	// Output:
	// true
	// false
	// false
}
