//go:build linux

// Init is the first process of a machine that package guest has booted: it makes the host's files the machine's, runs what the job says,
// tells the console how that ended, and switches the machine off.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/internal/guest"
)

func main() {
	status, err := run()
	if err != nil {
		fmt.Println("guest:", err)
	}
	fmt.Println(guest.ExitPrefix, status)
	unix.Sync()
	time.Sleep(100 * time.Millisecond) // the console has a buffer, and nothing to await
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {} // the first process must not end
}

// run returns the program's exit status.
func run() (status int, err error) {
	b, err := os.ReadFile(guest.JobFile)
	if err != nil {
		return 1, err
	}
	var job guest.Job
	if err := json.Unmarshal(b, &job); err != nil {
		return 1, err
	}
	for _, step := range []func() error{mountKernel, loadModules, enterHost, liftLimits} {
		if err := step(); err != nil {
			return 1, err
		}
	}
	env := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp"}, job.Env...)
	for _, line := range job.Setup {
		words := strings.Fields(line)
		if err := execute(env, words[0], words[1:]); err != nil {
			return 1, fmt.Errorf("%s: %w", line, err)
		}
	}
	err = execute(env, job.Path, job.Args)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil // -1: a signal
	} else if err != nil {
		return 1, err
	}
	return 0, nil
}

func execute(env []string, path string, args []string) error {
	path, err := exec.LookPath(path)
	if err != nil {
		return err
	}
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir = env, guest.WorkDir
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	return cmd.Run()
}

// mountKernel mounts what the kernel shows of itself.
func mountKernel() error {
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}} {
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	return os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
}

func loadModules() error {
	modules, err := filepath.Glob(guest.ModuleDir + "/*.ko") // in order
	if err != nil {
		return err
	}
	for _, path := range modules {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", path, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// enterHost makes the host's files the root, with fresh memory where programs write.
func enterHost() error {
	const plan9 = "trans=virtio,version=9p2000.L,msize=262144,cache=loose"
	if err := unix.Mount(guest.RootTag, "/host", "9p", unix.MS_RDONLY, plan9); err != nil {
		return fmt.Errorf("mount the host's files: %w", err)
	}
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		if err := unix.Mount(dir, "/host"+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", dir, err)
		}
	}
	if err := errors.Join(unix.Chroot("/host"), os.Chdir("/"), os.MkdirAll("/dev/shm", 0o1777)); err != nil {
		return err
	}
	for _, dir := range []string{"/tmp", "/run", "/dev/shm"} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	if err := os.Mkdir(guest.WorkDir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(guest.WorkTag, guest.WorkDir, "9p", 0, plan9); err != nil {
		return fmt.Errorf("mount the shared directory: %w", err)
	}
	return nil
}

// liftLimits allows to lock any amount of memory. It is inherited.
func liftLimits() error {
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit)
}
