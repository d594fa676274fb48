package shm

import (
	"errors"
	"fmt"
	"os"

	"github.com/grafnode/grafnode/fabric"
)

// ErrNotMapped says that a side's part is not mapped and sealed yet. Retryable: WaitMapped.
var ErrNotMapped = errors.New("shm: the side is not mapped yet")

// Files are the descriptors that one side is given. Whoever has a Files owns its descriptors.
type Files struct {
	Node     *os.File // the node's part, read-only
	Own      *os.File // the side's own part
	Wake     *os.File // the event that wakes this side
	WakePeer *os.File // the event that wakes the other
}

// List returns the descriptors in the order in which they travel.
func (f Files) List() []*os.File { return []*os.File{f.Node, f.Own, f.Wake, f.WakePeer} }

// FilesOf is the inverse of List. On error the descriptors stay the caller's.
func FilesOf(list []*os.File) (Files, error) {
	if len(list) != 4 {
		return Files{}, fmt.Errorf("shm: %d descriptors for a side, want 4: %w", len(list), fabric.ErrCorrupt)
	}
	return Files{list[0], list[1], list[2], list[3]}, nil
}

// Close closes all descriptors that are there.
func (f Files) Close() { closeAll(f.List()) }

// Parts are the descriptors of a whole arena. Whoever has a Parts owns its descriptors.
type Parts struct {
	Node, Producer, Consumer   *os.File
	WakeProducer, WakeConsumer *os.File
}

// List returns the descriptors in the order in which they travel.
func (p Parts) List() []*os.File {
	return []*os.File{p.Node, p.Producer, p.Consumer, p.WakeProducer, p.WakeConsumer}
}

// PartsOf is the inverse of List. On error the descriptors stay the caller's.
func PartsOf(list []*os.File) (Parts, error) {
	if len(list) != 5 {
		return Parts{}, fmt.Errorf("shm: %d descriptors for an arena, want 5: %w", len(list), fabric.ErrCorrupt)
	}
	return Parts{list[0], list[1], list[2], list[3], list[4]}, nil
}

// Close closes all descriptors that are there.
func (p Parts) Close() { closeAll(p.List()) }

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// other returns the opposite role.
func other(role fabric.Role) fabric.Role {
	if role == fabric.RoleProducer {
		return fabric.RoleConsumer
	}
	return fabric.RoleProducer
}

func checkRole(role fabric.Role) error {
	if role != fabric.RoleProducer && role != fabric.RoleConsumer {
		return fmt.Errorf("shm: role %q: must be %s or %s", role, fabric.RoleProducer, fabric.RoleConsumer)
	}
	return nil
}
