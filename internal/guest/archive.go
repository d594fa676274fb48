package guest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// archive is a first file system in the form that the kernel unpacks: cpio with headers in ASCII ("newc"), see
// Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's source.
type archive struct {
	bytes.Buffer
	entries int
}

// Types and rights of entries, as in a stat.
const (
	modeDir  = 0o040755
	modeFile = 0o100755
)

func (a *archive) add(name string, mode int, content []byte) {
	a.entries++
	name = strings.TrimPrefix(name, "/")
	const links, zero = 1, 0
	fmt.Fprintf(a, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.entries, mode, zero, zero, links, zero, len(content), zero, zero, zero, zero, len(name)+1, zero)
	a.WriteString(name)
	a.WriteByte(0)
	a.align()
	a.Write(content)
	a.align()
}

func (a *archive) align() {
	for a.Len()%4 != 0 {
		a.WriteByte(0)
	}
}

// firstFiles returns the file system that a machine begins with.
func firstFiles(k Kernel, initPath string, job Job) ([]byte, error) {
	a := &archive{}
	for _, dir := range []string{"proc", "sys", "dev", "host", path.Base(ModuleDir)} {
		a.add(dir, modeDir, nil)
	}
	program, err := os.ReadFile(initPath)
	if err != nil {
		return nil, err
	}
	a.add("init", modeFile, program)
	what, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	a.add(JobFile, modeFile, what)
	modules, err := k.modules()
	if err != nil {
		return nil, err
	}
	for _, module := range modules {
		b, err := os.ReadFile(module)
		if err != nil {
			return nil, err
		}
		a.add(path.Join(ModuleDir, filepath.Base(module)), modeFile, b)
	}
	a.add("TRAILER!!!", 0, nil)
	return a.Bytes(), nil
}

func readLines(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Fields(string(b)), err
}
