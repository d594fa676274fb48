//go:build !linux

package tcpconn

import "time"

// heard is not known here.
func heard(int) (time.Duration, bool) { return 0, false }

// owed is not known here.
func owed(int) (time.Duration, bool) { return 0, false }
