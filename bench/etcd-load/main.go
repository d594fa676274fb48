// Command etcd-load puts grafnode's benchmark load on an etcd cluster and prints what came of it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/grafnode/grafnode/internal/benchmark/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := load.Main(ctx, os.Args[1:], output(), open); err != nil {
		fmt.Fprintln(os.Stderr, "etcd-load:", err)
		os.Exit(1)
	}
}

// output is the pipe that grafnode gives its children, or the standard output for who runs this by hand.
func output() io.Writer {
	if pipe := os.NewFile(3, "pipe"); os.Getenv("GRAFNODE_BENCH_PIPE") != "" && pipe != nil {
		return pipe
	}
	return os.Stdout
}
