package shm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/step"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/internal/fdconn"
)

// The tests of several processes start this test binary again, as a child that does one task over a socket.

const childVariable = "GRAFNODE_SHM_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := childMain(); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// message goes both ways; descriptors travel beside it.
type message struct {
	Config fabric.Config
	Role   fabric.Role
	Task   string
	N      uint64
}

// child is a process started by a test, and the socket to it.
type child struct {
	t    testing.TB
	cmd  *exec.Cmd
	conn *fdconn.Conn
}

func startChild(t testing.TB, env ...string) *child {
	ours, theirs := socketPair(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childVariable+"=1"), env...)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	require.NoError(t, theirs.Close())
	c := &child{t, cmd, ours}
	t.Cleanup(c.kill)
	return c
}

// kill ends the child as a crash would, and waits until it is gone.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
	c.conn.Close()
}

func (c *child) send(m message, files ...*os.File) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Send(m, files...))
	fdconn.CloseFiles(files)
}

func (c *child) receive() (m message, files []*os.File) {
	c.t.Helper()
	files, err := c.conn.Receive(&m)
	require.NoError(c.t, err)
	return m, files
}

// attach gives the child a role of a, and a task in it. It returns once the child has mapped its part.
func (c *child) attach(a *shm.Arena, role fabric.Role, task string, n uint64) {
	c.t.Helper()
	files, err := a.Grant(role)
	require.NoError(c.t, err)
	c.send(message{a.Config(), role, task, n}, files.List()...)
	c.receive()
	require.NoError(c.t, a.Mapped(role))
}

// bind gives the child its peer's part.
func (c *child) bind(a *shm.Arena, role fabric.Role) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(c.t, a.WaitMapped(ctx, role))
	f, err := a.PeerFile(role)
	require.NoError(c.t, err)
	c.send(message{}, f)
}

func socketPair(t testing.TB) (*fdconn.Conn, *os.File) {
	path := t.TempDir() + "/socket"
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	defer l.Close()
	dialed, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	require.NoError(t, err)
	defer dialed.Close()
	accepted, err := l.AcceptUnix()
	require.NoError(t, err)
	theirs, err := dialed.File()
	require.NoError(t, err)
	return fdconn.New(accepted, fdconn.Config{FrameMax: 1 << 16}), theirs
}

// childMain is the child's side: it is told a task, and does it.
func childMain() error {
	sock, err := net.FileConn(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	conn := fdconn.New(sock.(*net.UnixConn), fdconn.Config{FrameMax: 1 << 16})
	var m message
	list, err := conn.Receive(&m)
	if err != nil {
		return err
	}
	if m.Task == "node" {
		return childNode(conn, m.Config)
	}
	files, err := shm.FilesOf(list)
	if err != nil {
		return err
	}
	if m.Role == fabric.RoleProducer {
		return childProducer(conn, m, files)
	}
	return childConsumer(conn, m, files)
}

func childProducer(conn *fdconn.Conn, m message, files shm.Files) error {
	p, err := shm.OpenProducer(m.Config, files)
	if err != nil {
		return err
	}
	if err := bindFrom(conn, p.BindPeer); err != nil {
		return err
	}
	if err := p.Activate(); err != nil {
		return err
	}
	for i := uint64(0); i < m.N; {
		b, err := p.Claim(lengthOf(i))
		switch {
		case errors.Is(err, fabric.ErrFull):
			if err := p.Wait(context.Background()); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		fill(b[:len(b)/2], i)
		step.At("write")
		fill(b, i)
		if err := p.Commit(); err != nil {
			return err
		}
		if i++; i%7 == 0 {
			if err := p.Flush(); err != nil {
				return err
			}
		}
	}
	if err := p.Flush(); err != nil {
		return err
	}
	if m.Task == "tear" { // ends within a record
		b, err := p.Claim(100)
		if err != nil {
			return err
		}
		fill(b[:50], m.N)
	}
	if err := conn.Send(message{N: m.N}); err != nil {
		return err
	}
	conn.Receive(&m) // until the parent is done with us
	return p.Close()
}

func childConsumer(conn *fdconn.Conn, m message, files shm.Files) error {
	c, err := shm.OpenConsumer(m.Config, files)
	if err != nil {
		return err
	}
	if err := bindFrom(conn, c.BindPeer); err != nil {
		return err
	}
	if mode, ok := strings.CutPrefix(m.Task, "echo/"); ok {
		return childEcho(conn, c, mode, m.N)
	}
	if mode, ok := strings.CutPrefix(m.Task, "drain/"); ok {
		return childDrain(conn, c, mode, m.N)
	}
	if err := c.WantMove(); err != nil {
		return err
	}
	if err := c.SetResume([]byte("resume")); err != nil {
		return err
	}
	for i := uint64(0); i < m.N; {
		b, err := c.Next()
		switch {
		case errors.Is(err, fabric.ErrEmpty):
			if err := c.Wait(context.Background()); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if err := check(b, i); err != nil {
			return err
		}
		i++
		if err := c.Ack(i, binary.LittleEndian.AppendUint64(nil, i)); err != nil {
			return err
		}
	}
	if err := conn.Send(message{N: m.N}); err != nil {
		return err
	}
	conn.Receive(&m)
	return c.Close()
}

func childDrain(conn *fdconn.Conn, c *shm.Consumer, mode string, n uint64) error {
	c.SetMode(modeOf(mode))
	if err := conn.Send(message{}); err != nil {
		return err
	}
	if err := drain(c, n); err != nil {
		return err
	}
	if err := conn.Send(message{N: n}); err != nil {
		return err
	}
	return c.Close()
}

// childEcho sends what it reads back, over a second ring.
func childEcho(conn *fdconn.Conn, c *shm.Consumer, mode string, n uint64) error {
	var m message
	list, err := conn.Receive(&m)
	if err != nil {
		return err
	}
	files, err := shm.FilesOf(list)
	if err != nil {
		return err
	}
	p, err := shm.OpenProducer(m.Config, files)
	if err != nil {
		return err
	}
	if err := bindFrom(conn, p.BindPeer); err != nil {
		return err
	}
	c.SetMode(modeOf(mode))
	p.SetMode(modeOf(mode))
	if err := conn.Send(message{}); err != nil {
		return err
	}
	if err := pingPong(p, c, int(n), false); err != nil {
		return err
	}
	if err := conn.Send(message{N: n}); err != nil {
		return err
	}
	conn.Receive(&m)
	return errors.Join(c.Close(), p.Close())
}

func modeOf(name string) fabric.Mode {
	for _, m := range []fabric.Mode{fabric.LowLatency, fabric.Thrifty} {
		if name == m.String() {
			return m
		}
	}
	return fabric.Balanced
}

func bindFrom(conn *fdconn.Conn, bind func(*os.File) error) error {
	if err := conn.Send(message{}); err != nil { // mapped
		return err
	}
	var m message
	files, err := conn.Receive(&m)
	if err != nil || len(files) != 1 {
		return fmt.Errorf("peer: %d files, %w", len(files), err)
	}
	return bind(files[0])
}

// childNode is a node that makes one arena, hands out both sides, and waits to be killed.
func childNode(conn *fdconn.Conn, cfg fabric.Config) error {
	a, err := shm.New(cfg)
	if err != nil {
		return err
	}
	var m message
	for _, role := range []fabric.Role{fabric.RoleProducer, fabric.RoleConsumer} {
		files, err := a.Grant(role)
		if err != nil {
			return err
		}
		if err := conn.Send(message{Role: role}, files.List()...); err != nil {
			return err
		}
		if _, err := conn.Receive(&m); err != nil {
			return err
		}
		if err := a.Mapped(role); err != nil {
			return err
		}
	}
	if m.N > 0 {
		a.SetDeadline(boottime.Now().Add(time.Duration(m.N)))
	}
	for _, role := range []fabric.Role{fabric.RoleProducer, fabric.RoleConsumer} {
		f, err := a.PeerFile(role)
		if err != nil {
			return err
		}
		if err := conn.Send(message{Role: role}, f); err != nil {
			return err
		}
	}
	if _, err = conn.Receive(&m); err == nil && m.Task == "seal" {
		a.Seal(fabric.ErrSealed)
	}
	return err
}

// lengthOf is the length of test record i.
func lengthOf(i uint64) int { return int(8 + i*37%500) }

// fill writes test record i, or as much of it as there is room for.
func fill(b []byte, i uint64) {
	for j := range b {
		b[j] = byte(i>>(j%8*8)) ^ byte(j)
	}
}

// check verifies that b is test record i.
func check(b []byte, i uint64) error {
	want := make([]byte, lengthOf(i))
	fill(want, i)
	if string(b) != string(want) {
		return fmt.Errorf("record %d: got %d bytes %x, want %d bytes %x", i, len(b), b, len(want), want)
	}
	return nil
}
