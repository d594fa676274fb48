package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Link is one end of a peer's way, for records of one length. It may fail when it likes, and then the measurement has.
type Link interface {
	// Claim returns room for a record of n bytes, which Commit sends, at the latest with Flush. All may block.
	Claim(n int) ([]byte, error)
	Commit() error
	Flush() error
	// Next waits for a record of n bytes, which is the caller's until the next call of it.
	Next(n int) ([]byte, error)
	Close() error
}

// The roles of a peer's process. RoleSend and RolePing begin.
const (
	RoleSend = "send"
	RoleRead = "read"
	RolePing = "ping"
	RolePong = "pong"
)

// Args returns the arguments of a process for Main.
func Args(role, address string, l Load) []string {
	load, err := json.Marshal(l)
	if err != nil {
		panic(err) // a Load always can be
	}
	return []string{role, address, string(load)}
}

// Main is a peer's process: it opens its end at an address that open understands, does what the role says, and writes a Result
// to out if it measured. begins says that it is the end that sends first. The last record is answered by one, so that neither
// leaves before the other is done.
func Main(args []string, out io.Writer, open func(begins bool, address string, l Load) (Link, error)) error {
	if len(args) != 3 {
		return fmt.Errorf("%d arguments, want ROLE ADDRESS LOAD", len(args))
	}
	var l Load
	if err := json.Unmarshal([]byte(args[2]), &l); err != nil {
		return err
	}
	role := args[0]
	link, err := open(role == RoleSend || role == RolePing, args[1], l)
	if err != nil {
		return err
	}
	result, err := play(link, role, l)
	if err == nil && result != (Result{}) {
		err = result.Write(out)
	}
	return errors.Join(err, link.Close())
}

func play(link Link, role string, l Load) (Result, error) {
	switch role {
	case RoleSend:
		return Result{}, send(link, l)
	case RoleRead:
		return read(link, l)
	case RolePing:
		return ping(link, l)
	case RolePong:
		return Result{}, pong(link, l)
	}
	return Result{}, fmt.Errorf("no role %q", role)
}

func put(link Link, n int, fill func([]byte)) error {
	b, err := link.Claim(n)
	if err != nil {
		return err
	}
	fill(b)
	return link.Commit()
}

// end sends the last record and waits for the answer.
func end(link Link, l Load, s *Source) error {
	if err := errors.Join(put(link, l.Bytes, s.FillEnd), link.Flush()); err != nil {
		return err
	}
	_, err := link.Next(l.Bytes)
	return err
}

func answer(link Link, l Load) error {
	return errors.Join(put(link, l.Bytes, NewSource(l).FillEnd), link.Flush())
}

func send(link Link, l Load) error {
	source := NewSource(l)
	for !source.Over() {
		for range l.Batch {
			if err := put(link, l.Bytes, source.Fill); err != nil {
				return err
			}
		}
		if err := link.Flush(); err != nil {
			return err
		}
	}
	return end(link, l, source)
}

func read(link Link, l Load) (Result, error) {
	sink := NewSink(l)
	for {
		b, err := link.Next(l.Bytes)
		if err != nil {
			return Result{}, err
		}
		done, err := sink.See(b)
		if err != nil {
			return Result{}, err
		}
		if done {
			result, err := sink.Result()
			return result, errors.Join(err, answer(link, l))
		}
	}
}

func ping(link Link, l Load) (Result, error) {
	trips, source, sink := NewTrips(l), NewSource(l), NewSink(l)
	for {
		if err := errors.Join(put(link, l.Bytes, source.Fill), link.Flush()); err != nil {
			return Result{}, err
		}
		b, err := link.Next(l.Bytes)
		if err != nil {
			return Result{}, err
		}
		if _, err := sink.See(b); err != nil {
			return Result{}, err
		}
		if trips.Done() {
			return trips.Result(), end(link, l, source)
		}
	}
}

func pong(link Link, l Load) error {
	source, sink := NewSource(l), NewSink(l)
	for {
		b, err := link.Next(l.Bytes)
		if err != nil {
			return err
		}
		done, err := sink.See(b)
		if err != nil {
			return err
		}
		if done {
			return answer(link, l)
		}
		if err := errors.Join(put(link, l.Bytes, source.Fill), link.Flush()); err != nil {
			return err
		}
	}
}
