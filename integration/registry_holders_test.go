package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/lease"
)

// holder is a stage process as the session socket sees it, without the client library: it knows exactly which deadlines it
// was told. It has the producer's role of an edge of its own, which shows to everybody when its session has ended.
type holder struct {
	m      *member
	rec    *history.Recorder
	random *rand.Rand
	edge   string
	term   time.Duration

	conn   *fdconn.Conn
	frames chan api.SessionMessage // closed when the line is
	cut    atomic.Int64            // when receive closed the line because its context ended; zero: it did not
	seq    uint64
	held   history.Holding
	token  string
	api    *client.API
}

const holderTerm = lease.TTLMin

func newHolder(m *member, rec *history.Recorder, seed uint64) (*holder, error) {
	h := &holder{
		m: m, rec: rec, random: rand.New(rand.NewPCG(seed, uint64(m.number)+0x100)), edge: fmt.Sprintf("held%d.x", m.number),
		term: holderTerm,
	}
	var err error
	h.api, err = client.NewAPI(m.socket, client.APIConfig{
		Timeout: tryFor, Credentials: func() (lease.SessionID, string) { return h.held.Session, h.token },
	})
	return h, err
}

// run opens one session after the other until ctx ends.
func (h *holder) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := h.open(ctx); err != nil {
			pass(ctx, 100*time.Millisecond)
			continue
		}
		if h.take(ctx) == nil {
			h.live(ctx)
		}
		h.close()
	}
}

// connect says hello, for a new session or an old one.
func (h *holder) connect(ctx context.Context, hello api.Hello) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", h.m.socket)
	if err != nil {
		return err
	}
	if _, err = conn.Write([]byte(api.PrefaceSession)); err != nil {
		conn.Close()
		return err
	}
	h.conn = fdconn.New(conn.(*net.UnixConn), fdconn.Config{FrameMax: api.SessionFrameMax, SendTimeout: 5 * time.Second})
	hello.Stage, hello.PID, hello.TTL = "holder", os.Getpid(), h.term
	if err := h.beat(api.SessionMessage{Hello: &hello}); err != nil {
		h.conn.Close()
		return err
	}
	h.frames = make(chan api.SessionMessage)
	go h.receive(ctx, h.conn, h.frames)
	for m := range h.frames {
		if m.Error != nil {
			h.conn.Close()
			return m.Error
		}
		if m.Welcome != nil {
			h.held.Session, h.token = m.Welcome.Session, m.Welcome.Token
			h.told(m.Welcome.Deadline)
			h.heard(m)
			return nil
		}
	}
	return errors.New("the node hung up")
}

// receive takes in what the node says until the line breaks.
func (h *holder) receive(ctx context.Context, conn *fdconn.Conn, frames chan<- api.SessionMessage) {
	defer close(frames)
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() {
		h.cut.Store(int64(boottime.Now())) // before anybody can see it
		conn.Close()
	})
	defer stop()
	for {
		var m api.SessionMessage
		files, err := conn.Receive(&m)
		if err != nil {
			return
		}
		fdconn.CloseFiles(files)
		select {
		case frames <- m:
		case <-ctx.Done():
			return
		}
	}
}

func (h *holder) told(d lease.Instant) {
	if d != 0 {
		h.held.Told = append(h.held.Told, history.Told{At: boottime.Now(), Deadline: d})
	}
}

// beat sends a sign of life.
func (h *holder) beat(m api.SessionMessage) error {
	h.seq++
	m.Seq = h.seq
	h.held.Beats = append(h.held.Beats, history.Beat{Sent: boottime.Now()})
	return h.conn.Send(m)
}

// heard notes that the node has answered the last sign of life. What it says of its own accord answers nothing.
func (h *holder) heard(m api.SessionMessage) {
	if m.Seq == h.seq {
		h.held.Beats[len(h.held.Beats)-1].Heard = boottime.Now()
	}
}

func (h *holder) open(ctx context.Context) error {
	h.held, h.token = history.Holding{Node: h.m.number, Edge: h.edge, Term: h.term}, ""
	return h.connect(ctx, api.Hello{})
}

// take takes the producer's role of the holder's edge.
func (h *holder) take(ctx context.Context) error {
	read := history.Op{Client: -1 - h.m.number, Node: h.m.number, Kind: history.Read, Fresh: api.Default, Edge: h.edge}
	var now api.Edge
	_, err := h.rec.Call(read, func(op *history.Op) (err error) {
		now, err = h.api.Edge(ctx, h.edge, api.Default)
		op.Edges = one(now, err)
		return err
	})
	if err != nil && !errors.Is(err, api.ErrNotFound) {
		return err
	}
	tag := fmt.Sprintf("h%d-%d", h.m.number, h.random.Uint64())
	r := api.ChangeRequest{OpID: tag, Detail: tag, Session: h.held.Session, Reason: api.ReasonTakeover, Edges: []api.EdgeChange{{
		Name: h.edge, Expect: now.Revision, TakeProducer: true, ProducerStage: tag, Capacity: ringBytes,
	}}}
	change := history.Op{Client: -1 - h.m.number, Node: h.m.number, Kind: history.Change, Tag: tag, Change: &r}
	if _, err = h.rec.Call(change, func(op *history.Op) error {
		resp, err := h.api.Change(ctx, r)
		op.Edges = resp.Edges
		return err
	}); err != nil {
		return err
	}
	h.acquire(ctx)
	return nil
}

// acquire gets memory that lasts as long as the session; whoever lists leases can tell.
func (h *holder) acquire(ctx context.Context) {
	ask := lease.Request{Kind: lease.KindMemory, Bytes: 4096, TTL: ringTerm}
	op := history.Op{Client: -1 - h.m.number, Node: h.m.number, Kind: history.Acquire, Session: h.held.Session, Ask: &ask}
	_, _ = h.rec.Call(op, func(op *history.Op) error {
		g, err := h.api.AcquireLease(ctx, ask)
		if err == nil {
			op.Grant = &g
		}
		return err
	})
}

// live beats some times, and then hangs up, or falls silent until it is told that its session is over. When its node goes away
// it goes on with the session when the node is back.
func (h *holder) live(ctx context.Context) {
	beats, hangUp := 2+h.random.IntN(12), h.random.IntN(3) == 0
	tick := time.NewTicker(lease.RenewEvery(h.term))
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case m, open := <-h.frames:
			switch {
			case !open:
				if !h.resume(ctx) {
					return
				}
			case m.Beat != nil:
				h.told(m.Beat.Deadline)
				h.heard(m)
			case m.Error != nil && errors.Is(m.Error, api.ErrSessionLost):
				h.held.Lost = boottime.Now()
				return
			}
		case <-tick.C:
			if beats--; beats > 0 {
				_ = h.beat(api.SessionMessage{Beat: &api.Beat{}}) // a broken line shows in frames
			} else if hangUp {
				return
			}
		case <-ctx.Done():
		}
	}
}

// attend beats until ctx ends or the session is lost, and says after each answer that there was one.
func (h *holder) attend(ctx context.Context, heard func()) {
	tick := time.NewTicker(lease.RenewEvery(h.term))
	defer tick.Stop()
	for {
		select {
		case m, open := <-h.frames:
			switch {
			case !open:
				return
			case m.Beat != nil:
				h.told(m.Beat.Deadline)
				h.heard(m)
				heard()
			case m.Error != nil && errors.Is(m.Error, api.ErrSessionLost):
				h.held.Lost = boottime.Now()
				return
			}
		case <-tick.C:
			_ = h.beat(api.SessionMessage{Beat: &api.Beat{}})
		case <-ctx.Done():
			return
		}
	}
}

// resume takes the session up again at its node, for as long as it may last.
func (h *holder) resume(ctx context.Context) bool {
	for ctx.Err() == nil && boottime.Now() < h.held.Told[len(h.held.Told)-1].Deadline {
		err := h.connect(ctx, api.Hello{Session: h.held.Session, Token: h.token})
		if err == nil {
			return true
		}
		if errors.Is(err, api.ErrSessionLost) {
			h.held.Lost = boottime.Now()
			return false
		}
		pass(ctx, 30*time.Millisecond)
	}
	return false
}

// close ends the line, and with it the session if that still lives.
func (h *holder) close() {
	h.hangUp()
	h.rec.Holding(h.held)
}

func (h *holder) hangUp() {
	h.held.Closed = boottime.Now()
	if at := lease.Instant(h.cut.Load()); at != 0 {
		h.held.Closed = min(h.held.Closed, at)
	}
	h.conn.Close()
	for range h.frames { // until its reader has ended
	}
}

// one is the answer of a read of one edge.
func one(e api.Edge, err error) []api.Edge {
	if err != nil {
		return nil
	}
	return []api.Edge{e}
}
