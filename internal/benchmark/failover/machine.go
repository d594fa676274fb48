package failover

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine says what this is measured on.
func machine() string {
	model := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(b) {
			if name, is := bytes.CutPrefix(line, []byte("model name")); is {
				model = strings.TrimSpace(strings.TrimLeft(string(name), "\t :"))
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // empty where there is none
	return fmt.Sprintf("%d processors, %s, %s %s", runtime.NumCPU(), model, runtime.GOOS, strings.TrimSpace(string(kernel)))
}

// load is the system's load averages.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "not known"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
