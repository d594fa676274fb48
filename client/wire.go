package client

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of what is kept between requests.
const (
	idleConns = 64               // to one node
	idleMax   = 30 * time.Second // less than a node's own patience
)

// wire sends small requests over connections that it keeps, one at a time on each. The caller's goroutine writes the request and
// reads the answer: net/http's transport has two more for each connection, and passing a request to one and its answer back from
// the other costs as much as all else that a client does. What is large or streams goes that way all the same.
type wire struct {
	dial func(context.Context) (net.Conn, error)
	host string

	mu     sync.Mutex
	idle   []*wireConn // the one used last at the end
	sweeps bool        // a sweep is to come
	closed bool
}

type wireConn struct {
	net.Conn
	in    *bufio.Reader
	bound *io.LimitedReader // of what in may still read for this answer
	out   []byte
	since time.Time // idle
}

// small is how long the body of a request may be, bytes: it must fit into any socket's buffer, or a node that answers before it
// has read everything would wait for us and we for it.
const small = 32 << 10

// headMax bounds an answer's head, bytes.
const headMax = 64 << 10

// trusted is how long a body may say that it is and be believed, bytes: so much memory is taken before it is there.
const trusted = 64 << 10

// said is what a node answered.
type said struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends a request and returns the answer, of whose body it reads up to max bytes and one more. A request is sent once:
// if there is no answer, who knows what became of it. An error is a *net.OpError of "dial" if it was not sent at all.
func (w *wire) exchange(ctx context.Context, method, path string, header [][2]string, body []byte, max int64) (said, error) {
	c, err := w.get(ctx)
	if err != nil {
		return said{}, err
	}
	c.out = w.request(c.out[:0], method, path, header, body)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // an error would mean that it is closed
	answer, again, err := c.roundTrip(method, max)
	if stop() && again && err == nil {
		w.put(c)
	} else {
		_ = c.Close() // the answer is what counted
	}
	return answer, err
}

// roundTrip writes what is in c.out and reads the answer; again: the connection is good for another.
func (c *wireConn) roundTrip(method string, max int64) (a said, again bool, err error) {
	if _, err := c.Write(c.out); err != nil {
		return a, false, err
	}
	c.bound.N = headMax + 2*max // pieces have heads too
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return a, false, err
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	if n := resp.ContentLength; n >= 0 && n <= min(max, trusted) {
		a.body = make([]byte, n)
		_, err = io.ReadFull(resp.Body, a.body)
	} else {
		a.body, err = io.ReadAll(io.LimitReader(resp.Body, max+1))
	}
	return a, !resp.Close && int64(len(a.body)) <= max && resp.StatusCode >= 200, err
}

// request writes a request's head and body. Header values come from a node or are made here; one that could end its line is left
// out, and the node says what is missing.
func (w *wire) request(b []byte, method, path string, header [][2]string, body []byte) []byte {
	b = append(append(append(append(b, method...), ' '), path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, w.host...), "\r\n"...)
	for _, h := range header {
		if strings.ContainsAny(h[1], "\r\n\x00") {
			continue
		}
		b = append(append(append(append(b, h[0]...), ": "...), h[1]...), "\r\n"...)
	}
	if body != nil || method != http.MethodGet {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), int64(len(body)), 10), "\r\n"...)
	}
	return append(append(b, "\r\n"...), body...)
}

// get returns a connection that nobody else has: a kept one that is still open, or a new one.
func (w *wire) get(ctx context.Context) (*wireConn, error) {
	for {
		w.mu.Lock()
		n := len(w.idle)
		if n == 0 {
			break
		}
		c := w.idle[n-1]
		w.idle = w.idle[:n-1]
		w.mu.Unlock()
		if c.in.Buffered() == 0 && open(c.Conn) {
			return c, nil
		}
		_ = c.Close() // the node has closed it
	}
	w.mu.Unlock()
	conn, err := w.dial(ctx)
	if err != nil {
		return nil, err
	}
	bound := &io.LimitedReader{R: conn}
	return &wireConn{Conn: conn, in: bufio.NewReader(bound), bound: bound}, nil
}

func (w *wire) put(c *wireConn) {
	c.since = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) >= idleConns {
		_ = c.Close()
		return
	}
	w.idle = append(w.idle, c)
	w.sweepLater()
}

// sweepLater sees to it that connections which nobody uses any more are closed. w.mu is held.
func (w *wire) sweepLater() {
	if w.sweeps || len(w.idle) == 0 {
		return
	}
	w.sweeps = true
	time.AfterFunc(idleMax, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sweeps = false
		w.drop(time.Now().Add(-idleMax))
		w.sweepLater()
	})
}

// drop closes what has been idle since before a time. w.mu is held.
func (w *wire) drop(before time.Time) {
	w.idle = slices.DeleteFunc(w.idle, func(c *wireConn) bool {
		late := c.since.Before(before)
		if late {
			_ = c.Close()
		}
		return late
	})
}

// close closes what is idle, and what is in use when its request is over.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.drop(time.Now().Add(time.Hour))
}
