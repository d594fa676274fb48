//go:build (!unix || solaris || aix) && !windows

package filelock

import (
	"errors"
	"os"
)

// Try cannot lock here.
func Try(*os.File) error { return errors.ErrUnsupported }

// Unlock has nothing to do here.
func Unlock(*os.File) error { return nil }
