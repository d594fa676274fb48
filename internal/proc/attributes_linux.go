package proc

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func kill(p *os.Process) {
	// The group's number is its first member's. ESRCH says that all of it has gone.
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
}
