package demo

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafnode/grafnode/demo/internal/plan"
)

// Defaults and limits of Config.
const (
	NodesDefault   = 3
	NodesMin       = 3 // with fewer, killing one takes the majority with it
	NodesMax       = 9
	GeneratedLines = 10_000
	ReportDefault  = "report"

	rateMin, rateMax = 0.01, 1e9

	// flowSeconds is how long the input lasts at the rate that is chosen for it.
	flowSeconds = 24
)

// Config says what a run of the demo does. The zero value of a field means its default.
type Config struct {
	Input  string      // path of an access log, "-" for the standard input, empty to generate one from Seed
	Store  string      // path of the SQLite database, which must not exist; empty: a temporary one
	Nodes  int         // how many nodes
	Rate   float64     // lines per second; zero: so that the input lasts about half a minute
	Kill   []plan.What // what to kill, in this order
	Report string      // directory for report.html and report.json
	JSON   bool        // write the report as JSON to the standard output, everything else to the standard error
	Seed   uint64      // of the kills' times, and of the generated input
}

// InputError says that the demo was asked for something that cannot be: a flag, a file or a directory. It is one line.
type InputError struct{ Err error }

// Error returns the line.
func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *InputError) Unwrap() error { return e.Err }

func inputErrorf(format string, args ...any) error { return &InputError{fmt.Errorf(format, args...)} }

// check reports what cannot be, before anything is started, and makes the report's directory.
func (c Config) check() error {
	if c.Nodes < NodesMin || c.Nodes > NodesMax {
		return inputErrorf("--nodes %d: must be %d to %d", c.Nodes, NodesMin, NodesMax)
	}
	if c.Rate != 0 && !(c.Rate >= rateMin && c.Rate <= rateMax) { // false for NaN, too
		return inputErrorf("--rate %v: must be %v to %.0f lines per second, or 0", c.Rate, rateMin, rateMax)
	}
	if err := c.checkStore(); err != nil {
		return err
	}
	return c.checkReport()
}

func (c Config) checkStore() error {
	if c.Store == "" {
		return nil
	}
	switch _, err := os.Lstat(c.Store); {
	case err == nil:
		return inputErrorf("--store %s: is there already; remove it or name another", c.Store)
	case !os.IsNotExist(err):
		return inputErrorf("--store: %w", err)
	}
	dir := filepath.Dir(c.Store)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return inputErrorf("--store %s: %s is no directory", c.Store, dir)
	}
	return writable("--store", dir)
}

func (c Config) checkReport() error {
	if err := os.MkdirAll(c.Report, 0o755); err != nil {
		return inputErrorf("--report: %w", err)
	}
	return writable("--report", c.Report)
}

// writable tries to make a file in dir. To look at the mode is not enough: the file system may be read-only.
func writable(flag, dir string) error {
	f, err := os.CreateTemp(dir, ".grafnode-*")
	if err != nil {
		return inputErrorf("%s: %w", flag, err)
	}
	_ = f.Close()
	return os.Remove(f.Name())
}
