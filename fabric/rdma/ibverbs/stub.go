//go:build !rdma || !linux || !cgo

package ibverbs

import (
	"fmt"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// Built says whether this binary can speak to adapters.
const Built = false

type none struct{}

// New returns the adapters of this host.
func New() verbs.Provider { return none{} }

var errBuild = fmt.Errorf("%w: this binary was built without the tag rdma, or without cgo", fabric.ErrUnsupported)

func (none) Ports() ([]verbs.Port, error)          { return nil, errBuild }
func (none) Open(verbs.Port) (verbs.Device, error) { return nil, errBuild }
