//go:build !linux

package party

import (
	"os"

	"github.com/grafnode/grafnode/fabric"
)

// Memory returns fabric.ErrUnsupported.
func Memory(int) (*os.File, error) { return nil, fabric.ErrUnsupported }
