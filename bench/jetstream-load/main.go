// Command jetstream-load is one end of grafnode's benchmark of failures over NATS JetStream: a publisher with acknowledgements, or a
// durable consumer that commits what it is given to the benchmark's ledger. What the ledger's socket and the pipe are told is what
// grafnode's own stages tell them (internal/benchmark/failover).
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"
)

// task is what a process is told, as its one argument.
type task struct {
	Role    string  `json:"role"`    // "pub" or "sub"
	Servers string  `json:"servers"` // addresses, separated by commas; its own host's first
	Stream  string  `json:"stream"`
	Ledger  string  `json:"ledger"` // path
	Rate    float64 `json:"rate"`   // items a second
}

// news is a line for the pipe.
type news struct {
	At     int64  `json:"at"` // of CLOCK_BOOTTIME, nanoseconds
	What   string `json:"what"`
	Leader string `json:"leader,omitempty"` // "cluster": of the stream; empty: it has none
	Items  uint64 `json:"items,omitempty"`  // "cluster": replicas that are up to date beside it; "ended": items acknowledged
}

const (
	// reconnectAfter is shorter than the client's default of 2 s, which would be most of the time that is measured.
	reconnectAfter = 20 * time.Millisecond
	replicas       = 3
	itemBytes      = 64
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "jetstream-load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var t task
	if len(os.Args) != 2 {
		return fmt.Errorf("%d arguments, want TASK", len(os.Args)-1)
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &t); err != nil {
		return err
	}
	js, closeConn, err := connect(t)
	if err != nil {
		return err
	}
	defer closeConn()
	out := json.NewEncoder(os.NewFile(3, "pipe"))
	if t.Role == "pub" {
		return publish(ctx, js, t, out)
	}
	return consume(ctx, js, t)
}

func connect(t task) (jetstream.JetStream, func(), error) {
	servers := strings.Split(t.Servers, ",")
	for i, s := range servers {
		servers[i] = "nats://" + s
	}
	conn, err := nats.Connect(strings.Join(servers, ","), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectAfter), nats.ReconnectJitter(0, 0),
		nats.DontRandomize(), nats.RetryOnFailedConnect(true))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn)
	return js, conn.Close, err
}

// now is the clock that all of this host's processes share.
func now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err) // it is there since Linux 2.6.39
	}
	return ts.Nano()
}

// again calls f until it succeeds, or ctx ends.
func again(ctx context.Context, f func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := f(try)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(reconnectAfter)
	}
}
