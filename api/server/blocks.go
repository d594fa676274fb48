package server

import (
	"net/http"
	"strconv"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// blockBodyMax bounds what one request reads or writes of a block region, in bytes.
const blockBodyMax = 4 << 20

// Block regions are read and written at the node that has them, not through the leader. The bytes travel as they are.

func (s *Server) readBlocks(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	offset, n := q.number("offset", false), q.number("bytes", true)
	if err := q.check(); err != nil {
		return err
	}
	if n > blockBodyMax {
		return api.Errorf(api.KindTooLarge, "%d bytes in one read, at most %d", n, blockBodyMax)
	}
	id, err := s.blockLease(r)
	if err != nil {
		return err
	}
	b, err := s.c.Blocks.Read(id, offset, int(n))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
	return nil
}

// writeBlocks answers when the bytes, and the epoch and number that they were written under, are on the disk. A request
// that was held up on its way is refused by its number if a later one of the same epoch has overtaken it.
func (s *Server) writeBlocks(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	offset, n := q.number("offset", false), q.number("bytes", true)
	epoch, number := q.number("epoch", true), q.number("number", true)
	if err := q.check(); err != nil {
		return err
	}
	id, err := s.blockLease(r)
	if err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	if n != uint64(len(body)) {
		return api.Errorf(api.KindInvalid, "%d bytes announced, %d came", n, len(body))
	}
	if err := s.c.Blocks.Write(id, fence.Epoch(epoch), number, offset, body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) fenceBlocks(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	epoch := q.number("epoch", true)
	if err := q.check(); err != nil {
		return err
	}
	id, err := s.blockLease(r)
	if err != nil {
		return err
	}
	if err := s.c.Blocks.Fence(id, fence.Epoch(epoch)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// blockLease checks that the path names a block lease on this node and that a live session asks that may. Which session holds the
// lease is not asked: a successor may be ahead of what this node has applied, and the epoch settles who may write.
func (s *Server) blockLease(r *http.Request) (lease.ID, error) {
	if _, err := s.authorise(r); err != nil {
		return "", err
	}
	id := lease.ID(r.PathValue("lease"))
	if err := checkID("lease ID", string(id)); err != nil {
		return "", err
	}
	l, ok := s.c.Registry.State().Lease(id)
	if !ok {
		if err := s.catchUp(r.Context()); err != nil {
			return "", err
		}
		if l, ok = s.c.Registry.State().Lease(id); !ok {
			return "", endedLease(s.c.Registry.State(), id)
		}
	}
	if err := accessOf(r).may(leaseName(l)); err != nil {
		return "", err
	}
	if l.Kind != lease.KindBlock || l.Node != s.c.Node {
		return "", api.Errorf(api.KindNotFound, "lease %s is no block region of this node", id)
	}
	return id, nil
}
