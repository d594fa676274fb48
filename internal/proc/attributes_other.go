//go:build !linux

package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

func attributes(network bool) (*syscall.SysProcAttr, error) {
	if network {
		return nil, fmt.Errorf("a network of its own: %w", errors.ErrUnsupported)
	}
	return nil, nil
}

func stop(p *os.Process) { kill(p) } // not every system has a signal for it

func kill(p *os.Process) {
	_ = p.Kill() // the only error is that it has gone
}

func cpu(int) time.Duration { return 0 }
