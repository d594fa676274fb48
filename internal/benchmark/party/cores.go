package party

import (
	"fmt"

	"github.com/grafnode/grafnode/internal/proc"
)

// Cores says on which processors the two sides run.
type Cores struct{ First, Second []int }

// TwoCores returns the first two processors that may be used, one for each side, or the only one for both.
func TwoCores() (Cores, error) {
	all, err := proc.CPUs()
	if err != nil {
		return Cores{}, err
	}
	return Cores{First: all[:1], Second: all[len(all[:min(2, len(all))])-1:][:1]}, nil
}

// String says so for people.
func (c Cores) String() string {
	if c.First[0] == c.Second[0] {
		return fmt.Sprintf("both on core %d", c.First[0])
	}
	return fmt.Sprintf("cores %d and %d, a process each", c.First[0], c.Second[0])
}
