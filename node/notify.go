package node

import (
	"net"
	"os"
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
