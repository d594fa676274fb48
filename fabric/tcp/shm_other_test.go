//go:build !linux

package tcp_test

import (
	"testing"
	"time"
)

var benchArena = newInproc

func cpuTime(testing.TB) time.Duration { return 0 }
