package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

func attributes(network bool) (*syscall.SysProcAttr, error) {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if network {
		a.Cloneflags = syscall.CLONE_NEWNET
	}
	return a, nil
}

func stop(p *os.Process) {
	_ = p.Signal(syscall.SIGTERM) // the only error is that it has gone
}

func kill(p *os.Process) {
	// The group's number is its first member's. ESRCH says that all of it has gone.
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
}

// tick is the unit of times in /proc, the same on all of Linux's platforms.
const tick = time.Second / 100

// cpu reads a process's user and system time.
func cpu(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The fields after the name, which stands in brackets and may hold anything, begin with the third.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	var ticks int
	for _, i := range []int{14 - 3, 15 - 3} {
		if i < len(fields) {
			n, _ := strconv.Atoi(string(fields[i])) // zero: the system does not say
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}
