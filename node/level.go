package node

import (
	"context"
	"errors"

	"github.com/grafnode/grafnode/registry"
)

const knownLevel = 1

func levelOf(s *registry.State) uint64 {
	if l, ok := any(s).(interface{ Level() uint64 }); ok {
		return l.Level()
	}
	return 1
}

func (n *Node) upgrade(context.Context, uint64) error { return errors.ErrUnsupported }
