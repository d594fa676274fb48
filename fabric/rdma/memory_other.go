//go:build !linux

package rdma

import (
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
)

// page does not exist on this platform.
type page struct{ memory []byte }

func newPage() (*page, error) { return nil, fabric.ErrUnsupported }

// mirror does not exist on this platform.
type mirror struct{}

func newMirror(int) (*mirror, error) { return nil, fabric.ErrUnsupported }

// Nothing below is ever called: no value of these types is made here.

func (*page) words() *slots                   { return nil }
func (*page) unmap()                          {}
func (*mirror) leave()                        {}
func (*mirror) consumer() *ring.ConsumerWords { return nil }
func (*mirror) producer() *ring.ProducerWords { return nil }
func (*mirror) control() *ring.Control        { return nil }
func (*mirror) data() []byte                  { return nil }
