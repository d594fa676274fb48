package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

func newDebug() *cobra.Command {
	r := &remote{}
	lasts := 2 * time.Second
	cmd := r.flags(&cobra.Command{
		Use:   "debug [FILE]",
		Short: "Make one archive of what is needed to find out what is wrong",
		Long: `Collects from every node that answers its status, settings, metrics, recent log, goroutines and profiles, and from the
cluster its records, into one archive, by default grafnode-debug-TIME.tar.gz. What could not be had is listed in errors.txt.
There are no secrets in it, but names of edges, stages and hosts.`,
		Example: "  grafnode operator debug --address 10.0.0.1:7400",
		Args:    between(0, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if lasts < time.Second || lasts > 30*time.Second {
				return usagef("%s: --cpu %v: must be 1s to 30s", cmd.CommandPath(), lasts)
			}
			file := "grafnode-debug-" + time.Now().UTC().Format("20060102T150405Z") + ".tar.gz"
			if len(args) > 0 {
				file = args[0]
			}
			err := r.ask(cmd, func(ctx context.Context, a *client.API) error {
				return replaceFile(file, func(f *os.File) error { return r.bundle(ctx, a, f, lasts) })
			})
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), file)
			}
			return err
		},
	})
	cmd.Flags().DurationVar(&lasts, "cpu", lasts, "how long the processor's time is profiled on each node")
	return cmd
}

// bundle writes the archive of all nodes that the asked one knows.
func (r *remote) bundle(ctx context.Context, a *client.API, f *os.File, lasts time.Duration) error {
	zipped := gzip.NewWriter(f)
	b := &bundle{out: tar.NewWriter(zipped), lasts: lasts, began: time.Now()}
	own, err := a.Status(ctx)
	if err != nil {
		return err // nobody is there
	}
	b.cluster(ctx, a)
	nodes, err := a.Nodes(ctx, api.Stale)
	b.json("nodes", nodes, err)
	b.node(ctx, a, "node-"+string(own.Node))
	for _, n := range nodes {
		if n.ID != own.Node {
			b.note("node "+n.Address, r.other(n.Address, func(o *client.API) { b.node(ctx, o, "node-"+string(n.ID)) }))
		}
	}
	b.file("errors.txt", []byte(strings.Join(b.errs, "")))
	return errors.Join(b.failed, b.out.Close(), zipped.Close())
}

// other calls f with the API of another node than the one that was named.
func (r *remote) other(address string, f func(*client.API)) error {
	a, err := r.api(address)
	if err != nil {
		return err
	}
	f(a)
	return a.Close()
}

// bundle is an archive that is being made. What cannot be had is noted and left out.
type bundle struct {
	out    *tar.Writer
	lasts  time.Duration
	began  time.Time
	errs   []string
	failed error // of the archive itself, the first
}

func (b *bundle) cluster(ctx context.Context, a *client.API) {
	edges, err := a.Edges(ctx, "", api.Stale)
	b.json("edges", edges, err)
	leases, err := a.Leases(ctx, api.Stale)
	b.json("leases", leases, err)
	sessions, err := a.LiveSessions(ctx, api.Stale)
	b.json("sessions", sessions, err)
	group, err := a.Raft(ctx, api.Stale)
	b.json("raft", group, err)
	health, err := a.Health(ctx)
	b.json("health", health, err)
	for _, e := range edges {
		history, err := a.History(ctx, e.Name)
		b.json("history/"+e.Name, history, err)
	}
}

func (b *bundle) node(ctx context.Context, a *client.API, dir string) {
	status, err := a.Status(ctx)
	b.json(dir+"/status", status, err)
	if err != nil {
		return // the rest would fail the same way, one timeout after the other
	}
	metrics, err := a.Metrics(ctx)
	b.text(dir+"/metrics.txt", metrics, err)
	for what, name := range map[string]string{
		"logs": "log.txt", "settings": "settings.toml", "goroutines": "goroutines.txt", "heap": "heap.pprof", "allocs": "allocs.pprof",
		"mutex": "mutex.pprof", "block": "block.pprof",
	} {
		text, err := a.Debug(ctx, what, 0)
		b.text(dir+"/"+name, text, err)
	}
	profile, err := a.Debug(ctx, "cpu", b.lasts)
	b.text(dir+"/cpu.pprof", profile, err)
}

func (b *bundle) json(name string, v any, err error) {
	text := []byte(nil)
	if err == nil {
		text, err = json.MarshalIndent(v, "", "  ")
	}
	b.text(name+".json", text, err)
}

func (b *bundle) text(name string, text []byte, err error) {
	if err != nil {
		b.note(name, err)
		return
	}
	b.file(name, text)
}

func (b *bundle) note(what string, err error) {
	if err != nil {
		b.errs = append(b.errs, fmt.Sprintf("%s: %v\n", what, err))
	}
}

func (b *bundle) file(name string, text []byte) {
	if b.failed != nil {
		return
	}
	b.failed = b.out.WriteHeader(&tar.Header{Name: "grafnode-debug/" + name, Mode: 0o600, Size: int64(len(text)), ModTime: b.began})
	if b.failed == nil {
		_, b.failed = b.out.Write(text)
	}
}
