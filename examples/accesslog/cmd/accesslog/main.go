// Accesslog reads a web server's access log into a SQLite database, through the pipeline of examples/accesslog.
//
//	grafnode agent --dev &
//	GRAFNODE_SOCKET=... accesslog -store requests.db access.log
//
// With -check it compares the two afterwards. With -stage it runs one stage only; other processes, on this or another host, run the others. All of them are given the same
// pipeline; only ingest reads the log, and only parse and store open the database.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/examples/accesslog/check"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "accesslog:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var c accesslog.Config
	flag.StringVar(&c.Store, "store", "requests.db", "SQLite database")
	flag.Float64Var(&c.Rate, "rate", 0, "lines per second; 0: as fast as they go")
	ttl := flag.Duration("ttl", 0, "how long the process may be silent before its stages are given to another; 0: as the client has it")
	stages := flag.String("stage", "", "stages to run, separated by commas: "+strings.Join(accesslog.Stages, ", ")+"; all if empty")
	compare := flag.Bool("check", false, "run nothing: say whether the database has each line of the log once")
	flag.Parse()
	c.Input = flag.Arg(0)
	if c.Input == "" || flag.NArg() > 1 {
		return fmt.Errorf("want one access log, have %d", flag.NArg())
	}
	if *compare {
		return judge(ctx, c)
	}
	var only []string
	if *stages != "" {
		only = strings.Split(*stages, ",")
	}
	cl, err := client.Dial(ctx, client.Config{Stage: "accesslog", TTL: *ttl})
	if err != nil {
		return err
	}
	defer cl.Close()
	return accesslog.Run(ctx, cl, c, only)
}

// judge compares the database with the log.
func judge(ctx context.Context, c accesslog.Config) error {
	f, err := os.Open(c.Input)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := check.Compare(ctx, f, c.Store)
	if err != nil {
		return err
	}
	fmt.Printf("%d lines: %d stored, %d dead letters, %d lost, %d doubled, %d wrong\n", r.Lines, r.Stored, r.DeadLettered, r.Lost, r.Doubled, r.Wrong)
	if r.Lost+r.Doubled+r.Wrong > 0 {
		return errors.New("the database is not what the log says")
	}
	return nil
}
