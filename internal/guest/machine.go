package guest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/grafnode/grafnode/internal/proc"
)

const emulator = "qemu-system-x86_64"

// AccelVariable names the environment variable with another accelerator than tcg, which is plain emulation. KVM is not
// looked for: where it is offered, Debian's kernels need not run under it.
const AccelVariable = "GRAFNODE_GUEST_ACCEL"

// initPackage is the program that is a machine's first process.
const initPackage = "github.com/grafnode/grafnode/internal/guest/init"

// Config describes a machine.
type Config struct {
	Kernel Kernel
	Job    Job
	Number int    // 1 or 2: which end of the cable it has; 3: its cable leads nowhere
	Dir    string // shared with the machine, which finds it at WorkDir, and for sockets and logs; the machines on one cable have one
	// Says is called with each line of its console, by one goroutine; an error pulls the plug. Nil: nobody listens.
	Says func(line string) error
}

// Machine is a machine that was booted.
type Machine struct {
	p       *proc.Process
	log     string
	control string // path of the emulator's socket for commands
	status  int    // -1: it has not said
}

// Boot switches a machine on. It is a process of l.
func Boot(ctx context.Context, l *proc.Launcher, c Config) (*Machine, error) {
	name := fmt.Sprint("guest-", c.Number)
	program := filepath.Join(c.Dir, "init")
	if err := buildInit(ctx, program); err != nil {
		return nil, err
	}
	files, err := firstFiles(c.Kernel, program, c.Job)
	if err != nil {
		return nil, err
	}
	first := filepath.Join(c.Dir, name+".cpio")
	if err := os.WriteFile(first, files, 0o600); err != nil {
		return nil, err
	}
	path, err := exec.LookPath(emulator)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	m := &Machine{log: filepath.Join(c.Dir, name+".emulator"), control: control(c), status: -1}
	m.p, err = l.Start(proc.Spec{Name: name, Path: path, Args: arguments(c, first), Log: m.log, Pipe: func(r io.Reader) error { return m.listen(r, c.Says) }})
	return m, err
}

// buildInit builds a machine's first process, unless an earlier machine's was.
func buildInit(ctx context.Context, program string) error {
	if _, err := os.Stat(program); err == nil {
		return nil
	}
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", program, initPackage)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", initPackage, err, out)
	}
	return nil
}

// processor is all that the emulator can play, without what is slow where it is played: moves of strings byte by byte, which a kernel takes for the fastest
// if it is told so, guards around what it copies from and to programs, and a fifth level of tables.
const processor = "max,erms=off,fsrm=off,smap=off,la57=off"

// arguments are the emulator's: a machine with a console that is the launcher's pipe, the host's files, the shared directory and a card whose
// cable is a pair of sockets.
func arguments(c Config, first string) []string {
	cable := func(number int) string { return filepath.Join(c.Dir, fmt.Sprintf("cable-%d", number)) }
	// The kernel is told what it would try out at boot: where the host is busy that goes wrong. Nor is it to clear each page that it hands out, and five hundred
	// at once for a program that has touched one.
	return []string{
		"-M", "q35", "-accel", cmp.Or(os.Getenv(AccelVariable), "tcg,thread=multi"), "-cpu", processor, "-m", "1024", "-smp", "1",
		"-display", "none", "-no-reboot", "-nodefaults", "-kernel", c.Kernel.image(), "-initrd", first,
		"-append", fmt.Sprintf("console=ttyS0 quiet panic=-1 no_timer_check init_on_alloc=0 tsc=reliable tsc_early_khz=%d mitigations=off transparent_hugepage=never", counterKHz()),
		"-chardev", fmt.Sprintf("file,id=console,path=/dev/fd/%d", proc.PipeFD), "-serial", "chardev:console",
		"-virtfs", "local,path=/,security_model=none,readonly=on,multidevs=remap,mount_tag=" + RootTag,
		"-virtfs", "local,path=" + c.Dir + ",security_model=none,multidevs=remap,mount_tag=" + WorkTag,
		"-qmp", "unix:" + control(c) + ",server=on,wait=off",
		"-netdev", fmt.Sprintf("dgram,id=cable,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s", cable(c.Number), cable(3-c.Number)),
		"-device", "virtio-net-pci,netdev=cable,romfile=,mac=52:54:00:00:00:0" + strconv.Itoa(c.Number),
	}
}

// listen reads the console until the machine is off.
func (m *Machine) listen(r io.Reader, says func(string) error) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if number, ok := strings.CutPrefix(line, ExitPrefix+" "); ok {
			if status, err := strconv.Atoi(number); err == nil {
				m.status = status
			}
		}
		if says == nil {
			continue
		}
		if err := says(line); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Off pulls the plug.
func (m *Machine) Off() { m.p.Kill() }

// CPU returns how much processor time of this host the machine has taken so far.
func (m *Machine) CPU() time.Duration { return m.p.CPU() }

// Wait waits until the machine is off, or pulls the plug when ctx ends. It returns nil if its program has ended with exit status zero.
func (m *Machine) Wait(ctx context.Context) error {
	var late error
	select {
	case <-m.p.Done():
	case <-ctx.Done():
		late = context.Cause(ctx)
		m.Off()
		<-m.p.Done()
	}
	switch said, err := os.ReadFile(m.log); {
	case late != nil:
		return fmt.Errorf("%s was still running: %w", m.p.Name, late)
	case m.status > 0:
		return fmt.Errorf("%s: exit status %d", m.p.Name, m.status)
	case m.status < 0:
		return errors.Join(fmt.Errorf("%s did not get to an end: %s", m.p.Name, strings.TrimSpace(string(said))), m.p.Err(), err)
	}
	return nil
}
