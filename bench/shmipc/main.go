// Command shmipc is one end of grafnode's data-plane benchmark over cloudwego/shmipc-go, with its default settings, but for the
// memory, which is from memfd, and for its log. The end that does not begin is the server.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/cloudwego/shmipc-go"

	"github.com/grafnode/grafnode/internal/benchmark/flow"
)

func main() {
	if err := flow.Main(os.Args[1:], os.NewFile(3, "pipe"), open); err != nil {
		fmt.Fprintln(os.Stderr, "shmipc:", err)
		os.Exit(1)
	}
}

type link struct {
	*shmipc.Stream
	load       flow.Load
	begins     bool
	window     int // flushes that may be unread
	flushed    int // those that may be, at the end that begins
	unanswered int // records read since credit was given, at the other
	reader     shmipc.BufferReader
	writer     shmipc.BufferWriter
	unreleased int
	closes     []func() error
}

func open(begins bool, address string, load flow.Load) (flow.Link, error) {
	l := &link{load: load, begins: begins, window: windowOf(load)}
	var err error
	if begins {
		err = l.dial(address)
	} else {
		err = l.listen(address)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.reader, l.writer = l.BufferReader(), l.BufferWriter()
	return l, nil
}

func (l *link) listen(address string) error {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		return err
	}
	defer listener.Close()
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	c := shmipc.DefaultConfig()
	c.LogOutput = os.Stderr
	session, err := shmipc.Server(conn, c)
	if err != nil {
		return err
	}
	l.closes = append(l.closes, session.Close)
	l.Stream, err = session.AcceptStream()
	return err
}

// dialMax is how long the server may take to listen.
const dialMax = 30 * time.Second

func (l *link) dial(address string) (err error) {
	for began := time.Now(); time.Since(began) < dialMax; time.Sleep(time.Millisecond) {
		if _, err = os.Stat(address); err == nil {
			break
		}
	}
	c := shmipc.DefaultSessionManagerConfig()
	c.Network, c.Address, c.SessionNum = "unix", address, 1
	c.MemMapType = shmipc.MemMapTypeMemFd
	c.ShareMemoryPathPrefix, c.QueuePath = address+".memory", address+".queue"
	c.LogOutput = os.Stderr
	manager, err := shmipc.NewSessionManager(c)
	if err != nil {
		return err
	}
	l.closes = append(l.closes, manager.Close)
	l.Stream, err = manager.GetStream()
	return err
}

// shmipc takes a buffer of its memory for each flush, and has no call that waits while there is none: it goes over the socket
// instead, at a fraction of the speed. So the end that begins keeps a window, and the other sends a record of credit now and then.
const (
	buffersMax  = 1024    // of 8 KiB, on their way; shmipc has twice as many
	largeMax    = 256     // of 32 KiB, for records that need one
	bufferBytes = 8 << 10 // with shmipc's own header
	creditMark  = 1 << 62 // a number that no record has
)

func windowOf(l flow.Load) int {
	if l.Bytes > bufferBytes/2 {
		return largeMax
	}
	return max(16, buffersMax/(1+l.Bytes*l.Batch/bufferBytes))
}

func (l *link) Claim(n int) ([]byte, error) { return l.writer.Reserve(n) }

func (l *link) Commit() error { return nil }

// Flush gives the batch to the peer.
func (l *link) Flush() error {
	l.unanswered = 0
	if l.begins {
		for l.flushed++; l.flushed > l.window; {
			if err := l.takeCredit(); err != nil {
				return err
			}
		}
	}
	return l.flush()
}

func (l *link) flush() error {
	for {
		err := l.Stream.Flush(false)
		if !errors.Is(err, shmipc.ErrQueueFull) {
			return err
		}
		runtime.Gosched()
	}
}

// takeCredit waits for credit of a quarter of the window.
func (l *link) takeCredit() error {
	b, err := l.reader.ReadBytes(l.load.Bytes)
	if err != nil {
		return err
	}
	if number := binary.LittleEndian.Uint64(b); number != creditMark {
		return fmt.Errorf("number %#x instead of credit", number)
	}
	l.reader.ReleasePreviousRead()
	l.flushed -= l.window / 4
	return nil
}

func (l *link) giveCredit() error {
	b, err := l.writer.Reserve(l.load.Bytes)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(b, creditMark)
	l.unanswered = 0
	return l.flush()
}

// releaseEvery is how many records are read before their memory is given back.
const releaseEvery = 64

func (l *link) Next(n int) ([]byte, error) {
	for {
		if l.unreleased++; l.unreleased > releaseEvery {
			l.reader.ReleasePreviousRead()
			l.unreleased = 1
		}
		if l.unanswered == l.window/4*l.load.Batch {
			l.reader.ReleasePreviousRead() // before its room is promised
			l.unreleased = 1
			if err := l.giveCredit(); err != nil {
				return nil, err
			}
		}
		b, err := l.reader.ReadBytes(n)
		if err != nil || l.begins && binary.LittleEndian.Uint64(b) == creditMark {
			if err != nil {
				return nil, err
			}
			l.flushed -= l.window / 4
			continue
		}
		if l.unanswered++; l.begins {
			l.unanswered, l.flushed = 0, 0
		}
		return b, nil
	}
}

// closeMax is how long the end that begins may take to leave.
const closeMax = 5 * time.Second

// Close lets the end that begins leave first: a session that ends takes with it what its peer has not read.
func (l *link) Close() (err error) {
	if l.Stream != nil && !l.begins && l.SetReadDeadline(time.Now().Add(closeMax)) == nil {
		_, _ = l.reader.ReadBytes(1) // ends with an error: there is nothing more
	}
	for _, f := range l.closes {
		err = errors.Join(err, f())
	}
	return err
}
