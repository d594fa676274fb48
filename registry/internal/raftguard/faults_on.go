//go:build faults

package raftguard

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// FaultVariable names, in builds with -tags faults, the environment variable that names the control file. Before each write to
// Raft's disk the file is read:
//
//	delay 3s   the write takes that much longer
//	fail       the write fails
//	hang       the write does not return until the file says something else
//
// Anything else, and no file, means no fault. Such a build is for tests and must never be installed.
const FaultVariable = "GRAFNODE_FAULT_DISK"

// ErrFault is the error of writes that fail because a test wants it.
var ErrFault = errors.New("disk fault asked for by " + FaultVariable)

// hangPoll is how often a hanging write looks whether it may go on.
const hangPoll = 10 * time.Millisecond

// faultyDisk does what the control file says, before a write.
func faultyDisk() error {
	verb, argument := fault()
	switch verb {
	case "delay":
		d, err := time.ParseDuration(argument)
		if err != nil {
			return fmt.Errorf("%s: %w", FaultVariable, err)
		}
		time.Sleep(d)
	case "fail":
		return ErrFault
	case "hang":
		for verb == "hang" {
			time.Sleep(hangPoll)
			verb, _ = fault()
		}
	}
	return nil
}

func fault() (verb, argument string) {
	path := os.Getenv(FaultVariable)
	if path == "" {
		return "", ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", "" // no file, no fault
	}
	verb, argument, _ = strings.Cut(strings.TrimSpace(string(b)), " ")
	return verb, argument
}
