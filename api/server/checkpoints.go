package server

import (
	"hash/crc32"
	"net/http"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *Server) getCheckpoint(current *state.State, q *query, w http.ResponseWriter, r *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	if err := checkKey("checkpoint's key", r.PathValue("key")); err != nil {
		return err
	}
	checkpoint, ok := current.Checkpoint(r.PathValue("key"))
	if !ok {
		return api.Errorf(api.KindNotFound, "no checkpoint %s", r.PathValue("key"))
	}
	return answer(w, checkpoint.API())
}

// putCheckpoint fences a checkpoint and perhaps writes it. It needs no session: the epoch is the right to write.
func (s *Server) putCheckpoint(w http.ResponseWriter, r *http.Request) error {
	var want api.CheckpointRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	key := r.PathValue("key")
	if err := checkKey("checkpoint's key", key); err != nil {
		return err
	}
	if len(want.Value) > api.CheckpointBytesMax {
		return api.Errorf(api.KindTooLarge, "checkpoint %s: %d bytes, at most %d; larger state belongs in leased blocks",
			key, len(want.Value), api.CheckpointBytesMax)
	}
	if sum := crc32.Checksum(want.Value, castagnoli); want.Write && sum != want.Sum {
		return api.Errorf(api.KindInvalid, "checkpoint %s: the value's checksum is %08x, sum says %08x: damaged on its way", key, sum, want.Sum)
	}
	result, err := s.c.Registry.Apply(r.Context(), state.PutCheckpoint{
		Key: key, Epoch: want.Epoch, Write: want.Write, Expect: want.Expect, Value: want.Value, Sum: want.Sum,
	})
	if err != nil {
		return err
	}
	s.setHeaders(w, s.c.Registry.State())
	return answer(w, result.Checkpoint.API())
}
