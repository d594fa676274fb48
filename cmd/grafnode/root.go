package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/cmd/grafnode/config"
	"github.com/grafnode/grafnode/demo"
	"github.com/grafnode/grafnode/internal/benchmark/ring"
	"github.com/grafnode/grafnode/internal/benchmark/wire"
	"github.com/grafnode/grafnode/node"
)

// Exit statuses.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitUnhealthy = 3
)

// usageError is the user's to mend: exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run is the whole command: it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(singleDash(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	// One line, whatever was joined or quoted into it. Usage errors say already which command they are of.
	line := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	if more := advice(err); more != "" {
		line += " (" + more + ")"
	}
	line = strings.Map(func(r rune) rune { // what a node or a file has put into it must not steer a terminal
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, line)
	if !strings.HasPrefix(line, "grafnode") {
		line = "grafnode: " + line
	}
	fmt.Fprintln(stderr, line)
	if errors.As(err, new(usageError)) || errors.As(err, new(*config.Error)) || errors.As(err, new(*node.ConfigError)) || errors.As(err, new(*demo.InputError)) {
		return exitUsage
	}
	if errors.As(err, new(unhealthyError)) {
		return exitUnhealthy
	}
	return exitFailed
}

// singleDash accepts -dev, as agents of this kind have always been started.
func singleDash(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if arg == "-dev" || strings.HasPrefix(arg, "-dev=") {
			arg = "-" + arg
		}
		out[i] = arg
	}
	return out
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "grafnode",
		Short: "Typed queues between pipeline stages that rewire around failures",
		Long: `Grafnode runs on every host of a cluster. Stage programs exchange items over edges: typed queues in memory that
the nodes lend. When memory, a node or a stage fails, the edge gets a new ring elsewhere and both sides go on where
they were.

Start with the demo, which needs nothing else:

  grafnode demo

Exit status: 0 done, 1 not done, 2 asked wrongly, 3 not well (operator health, fabric probe).`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              unknownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s: %v (see %q)", cmd.CommandPath(), err, cmd.CommandPath()+" --help")
	})
	root.SetHelpCommand(newHelp())
	root.AddCommand(
		newAgent(),
		newConfig(),
		newTLS(),
		newEdge(),
		newLease(),
		newSession(),
		newNode(),
		newFabric(),
		newOperator(),
		newToken(),
		newStatus(),
		newTop(),
		newVersion(),
		demo.Command(),
		newBench(),
	)
	root.AddCommand( // processes that other commands start
		newBenchLoad(),
		newBenchParty(ring.Verb, ring.Main),
		newBenchParty(wire.Verb, wire.Main),
		newBenchFailoverStage(),
		demo.StageCommand(),
	)
	root.AddCommand(newMembers("members", "grafnode members"), newLeaseList("leases", "grafnode leases"))
	return root
}

// newHelp returns the verb "help". Cobra's own takes an unknown command for success.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("%s: no command %q", cmd.CommandPath(), strings.Join(args, " "))
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// unknownCommand is the Args of a command that only has children.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usagef("%s: no command %q%s (see %q)", cmd.CommandPath(), args[0], hint, cmd.CommandPath()+" --help")
}

// exactly is cobra.ExactArgs with a line that says what is wanted.
func exactly(names ...string) cobra.PositionalArgs {
	return between(len(names), names...)
}

// between wants at least the given number of the named arguments, and no more than all.
func between(least int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least {
			return usagef("%s: %s is missing (see %q)", cmd.CommandPath(), names[len(args)], cmd.CommandPath()+" --help")
		}
		if len(args) > len(names) {
			return usagef("%s: %q is one argument too many", cmd.CommandPath(), args[len(names)])
		}
		return nil
	}
}
