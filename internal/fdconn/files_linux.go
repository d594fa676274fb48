package fdconn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// ancillaryBytes has room for FilesMax descriptors. Alignment may leave room for one more, which is refused by count.
var ancillaryBytes = unix.CmsgSpace(FilesMax * 4)

// Credentials say who is at the other end of a Unix socket, as the kernel noted when it connected.
type Credentials struct{ PID, UID, GID int }

// Peer returns the credentials of the process at the other end.
func Peer(sock *net.UnixConn) (Credentials, error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return Credentials{}, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return Credentials{}, err
	}
	if credErr != nil {
		return Credentials{}, fmt.Errorf("fdconn: peer credentials: %w", credErr)
	}
	return Credentials{PID: int(cred.Pid), UID: int(cred.Uid), GID: int(cred.Gid)}, nil
}

// sendFiles writes a part of b, at least one byte, with files beside the first.
func sendFiles(sock *net.UnixConn, b []byte, files []*os.File) (int, error) {
	fds := make([]int, 0, len(files))
	defer func() { closeAll(fds) }()
	for _, f := range files {
		fd, err := duplicate(f)
		if err != nil {
			return 0, fmt.Errorf("fdconn: descriptor of %s: %w", f.Name(), err)
		}
		fds = append(fds, fd)
	}
	n, _, err := sock.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	return n, err
}

// duplicate returns a descriptor that stays valid whatever happens to f meanwhile. File.Fd would do neither that nor leave
// f in the poller.
func duplicate(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	var fd int
	var dupErr error
	err = raw.Control(func(orig uintptr) { fd, dupErr = unix.FcntlInt(orig, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, dupErr)
}

// receiveSome reads some of b and the descriptors beside what it read. On error no descriptor stays open.
func receiveSome(sock *net.UnixConn, b []byte) (int, []*os.File, error) {
	oob := make([]byte, ancillaryBytes)
	n, oobn, flags, _, err := sock.ReadMsgUnix(b, oob) // close-on-exec, by package net
	fds, parseErr := descriptors(oob[:oobn])
	switch {
	case err != nil:
	case parseErr != nil:
		err = fmt.Errorf("%w: %w", ErrFrame, parseErr)
	case flags&unix.MSG_CTRUNC != 0 || len(fds) > FilesMax:
		err = fmt.Errorf("more than %d descriptors: %w", FilesMax, ErrFrame)
	case n == 0:
		err = io.EOF
	}
	if err != nil {
		closeAll(fds)
		return 0, nil, err
	}
	var files []*os.File
	for _, fd := range fds {
		files = append(files, os.NewFile(uintptr(fd), "received"))
	}
	return n, files, nil
}

func descriptors(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS {
			continue // we ask for no other kind; one that comes all the same carries nothing to close
		}
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fds, err
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
