package streamtest_test

import (
	"flag"
	"regexp"
	"testing"
)

// passes runs a test from within ExampleRun, as go test would, and quietly: an example is judged by what it prints.
func passes(test func(*testing.T)) bool {
	const verbose = "test.v"
	was := flag.Lookup(verbose).Value.String()
	_ = flag.Set(verbose, "false")
	defer func() { _ = flag.Set(verbose, was) }()
	return testing.RunTests(regexp.MatchString, []testing.InternalTest{{Name: "ExampleRun", F: test}})
}
