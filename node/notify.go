package node

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"
)

// Notify tells systemd about the agent, as sd_notify(3) does: "READY=1", "STOPPING=1". Without NOTIFY_SOCKET in the
// environment it does nothing. It never blocks for long and its failure harms nobody.
func Notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	// A leading @ means the abstract namespace, to package net as to systemd.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}

// watchdogPeriod is how often systemd wants to hear from the agent, as sd_watchdog_enabled(3) has it; zero: never.
func watchdogPeriod() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0 // it is meant for another
	}
	micros, err := strconv.ParseUint(os.Getenv("WATCHDOG_USEC"), 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(micros) * time.Microsecond
}

// pat has tell called twice in each period until ctx ends, after as many answers of alive: if that does not return, nor does anybody hear.
func pat(ctx context.Context, period time.Duration, alive, tell func()) {
	ticker := time.NewTicker(period / 2)
	defer ticker.Stop()
	for {
		alive()
		tell()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// watchdog tells systemd, if it wants to hear it, that the node is not stuck: one that has locked itself up is started again.
func (n *Node) watchdog(ctx context.Context) {
	period := watchdogPeriod()
	if period == 0 {
		return
	}
	pat(ctx, period, n.alive, func() {
		if err := Notify("WATCHDOG=1"); err != nil {
			n.log.Warn("systemd was not told", "error", err)
		}
	})
}

// alive takes the locks that whoever asks the node takes.
func (n *Node) alive() {
	n.Problems()
	n.ringMetrics()
}
