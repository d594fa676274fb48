//go:build unix

package node

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile opens path and locks it until the file is closed, which the death of the process does too.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errors.New("in use by another grafnode agent; stop it or give another directory")
		}
		return nil, errors.Join(fmt.Errorf("%w", err), f.Close())
	}
	return f, nil
}
