package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// ErrUnavailable says that this machine cannot boot guests, and what it lacks.
var ErrUnavailable = errors.New("no guests can be booted here")

// basic are the modules that every machine loads: its cards, and the files that it shares with the host.
var basic = []string{"virtio_pci", "virtio_net", "9pnet_virtio", "9p"}

// Kernel is a kernel with modules, in a directory that is kept.
type Kernel struct{ dir string }

// imageName is the kernel's in there.
const imageName = "vmlinux"

func (k Kernel) image() string { return filepath.Join(k.dir, imageName) }

// modules returns the paths of the modules in the order in which they must be loaded.
func (k Kernel) modules() ([]string, error) {
	return filepath.Glob(filepath.Join(k.dir, "modules", "*.ko"))
}

// Fetch returns Debian's kernel with the named modules besides those that every machine has, from the user's cache if it is there. It returns
// ErrUnavailable where a command is missing, or there is no such package to be had.
func Fetch(ctx context.Context, modules ...string) (Kernel, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return Kernel{}, fmt.Errorf("%w: only on Linux, amd64", ErrUnavailable)
	}
	if _, err := exec.LookPath(emulator); err != nil {
		return Kernel{}, fmt.Errorf("%w: %w: apt-get install qemu-system-x86", ErrUnavailable, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Kernel{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	all := slices.Concat(basic, modules)
	kept := strings.Join(append(slices.Clone(all), imageName), " ")
	k := Kernel{filepath.Join(cache, "grafnode", fmt.Sprintf("kernel-%.4x", sha256.Sum256([]byte(kept))))}
	if _, err := os.Stat(k.dir); err == nil {
		return k, nil
	}
	if err := os.MkdirAll(filepath.Dir(k.dir), 0o755); err != nil {
		return Kernel{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	half, err := os.MkdirTemp(filepath.Dir(k.dir), "kernel-new-")
	if err != nil {
		return Kernel{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = os.RemoveAll(half) }()
	tree, err := unpack(ctx, filepath.Join(half, "package"))
	if err != nil {
		return Kernel{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	made := filepath.Join(half, "kernel")
	if err := keep(tree, made, all); err != nil {
		return Kernel{}, err
	}
	if err := os.Rename(made, k.dir); err != nil && !errors.Is(err, fs.ErrExist) { // somebody else made it meanwhile
		return Kernel{}, err
	}
	return k, nil
}

// meta depends on the present kernel. The kernel "cloud" has no adapters.
const meta = "linux-image-amd64"

// unpack fetches the kernel's package, and returns where its files are.
func unpack(ctx context.Context, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	out, err := command(ctx, dir, "apt-cache", "depends", "--important", meta)
	if err != nil {
		return "", err
	}
	name := ""
	for word := range strings.FieldsSeq(out) {
		if strings.HasPrefix(word, "linux-image-") && word != meta {
			name = word
		}
	}
	if name == "" {
		return "", fmt.Errorf("%s depends on no kernel: %s", meta, out)
	}
	if _, err := command(ctx, dir, "apt-get", "download", "-qq", name); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("apt-get download %s has left %q", name, found)
	}
	tree := filepath.Join(dir, "tree")
	_, err = command(ctx, dir, "dpkg-deb", "-x", found[0], tree)
	return tree, err
}

func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(problem.String()))
	}
	return string(out), nil
}

// keep copies the kernel in tree, and of its modules those that are wanted with what they depend on, to dir.
func keep(tree, dir string, wanted []string) error {
	images, err := filepath.Glob(filepath.Join(tree, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return fmt.Errorf("%s: kernels: %q", tree, images)
	}
	order, err := loadOrder(filepath.Join(tree, "lib", "modules"), wanted)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "modules"), 0o755); err != nil {
		return err
	}
	for i, from := range order {
		if err := copyFile(from, filepath.Join(dir, "modules", fmt.Sprintf("%03d-%s", i, filepath.Base(from)))); err != nil {
			return err
		}
	}
	return keepImage(images[0], filepath.Join(dir, imageName))
}

// packed is how the kernel begins within Debian's image: as any file of xz does.
var packed = []byte("\xfd7zXZ\x00")

// keepImage copies a kernel, unpacked where that can be done here: else it unpacks itself at each boot, which takes an emulated machine as long as all else
// until its first process.
func keepImage(from, to string) error {
	image, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if at := bytes.Index(image, packed); at >= 0 {
		unpack := exec.Command("xz", "--decompress", "--single-stream", "--stdout")
		unpack.Stdin = bytes.NewReader(image[at:])
		if kernel, err := unpack.Output(); err == nil {
			image = kernel
		}
	}
	return os.WriteFile(to, image, 0o644)
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}
