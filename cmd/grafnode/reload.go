package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/grafnode/grafnode/cmd/grafnode/config"
	"github.com/grafnode/grafnode/node"
)

// hangups catches SIGHUP, which would end the process. One waits until it is received.
func hangups() chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}

// onHangup calls f for each of signals until ctx or the function that it returns, which waits for a call that is under way.
func onHangup(ctx context.Context, signals chan os.Signal, f func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-signals:
				f()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		cancel()
		<-done
	}
}

// reloader is a running node.
type reloader interface {
	Reload(c node.Config) error // of certificates, and of what of c may change meanwhile
}

// reloadable are the settings that take effect while the node runs, beside what stands in files that settings name.
var reloadable = []string{"local", "log-level", "max-connections", "max-peer-connections", "max-sessions", "memory"}

// reload reads the files again, applies what can change while the node runs, and says what cannot. What is wrong in them changes nothing.
func (f *agentFlags) reload(running *pflag.FlagSet, least *slog.LevelVar, n reloader) {
	log := f.config.Logger
	fresh := &agentFlags{}
	flags := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	fresh.define(flags)
	err := config.CopyCommandLine(flags, running, f.origins)
	if err == nil {
		err = fresh.load(flags)
	}
	if err == nil {
		err = fresh.validate()
	}
	if err == nil {
		err = fresh.blame(n.Reload(fresh.config))
	}
	if err != nil {
		log.Error("settings not reloaded: all stay as they are", "error", err)
		return
	}
	least.Set(fresh.level)
	var applied, waiting []string
	flags.VisitAll(func(g *pflag.Flag) {
		switch {
		case g.Value.String() == running.Lookup(g.Name).Value.String():
		case slices.Contains(reloadable, g.Name):
			applied = append(applied, g.Name)
		default:
			waiting = append(waiting, g.Name)
		}
	})
	if err := f.renew(running, flags, fresh.origins); err != nil {
		log.Warn("settings are shown as they were", "error", err) // cannot be: what a flag has taken another takes
	}
	if len(waiting) > 0 {
		log.Warn("settings have changed that wait for the next start", "settings", waiting)
	}
	log.Info("settings reloaded", "changed", applied, "log-level", fresh.level)
}

// renew has the settings shown that are applied while the node runs. The files' contents are not among them.
func (f *agentFlags) renew(running, fresh *pflag.FlagSet, origins config.Origins) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failed error
	for _, name := range reloadable {
		failed = errors.Join(failed, config.Renew(running, fresh, f.origins, origins, name))
	}
	return failed
}
