package rdma

import (
	"fmt"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// window counts the writes that are posted on a pair and not known to be done, of which there may be writesMax. It has every so many of them say that they are done, which
// stands for all before; so there is always one under way that will.
type window struct {
	posted   uint64 // ever; also the last ID
	done     uint64
	signaled uint64 // the last ID that will complete
}

// free is how many more may be posted.
func (w *window) free() int { return writesMax - int(w.posted-w.done) }

// number gives IDs to writes that are about to be posted. The last one says that it is done if it is asked to, or its turn.
func (w *window) number(ws []verbs.Write, asked bool) {
	for i := range ws {
		w.posted++
		ws[i].ID = w.posted
	}
	if asked || w.posted-w.signaled >= signalEach {
		ws[len(ws)-1].Signaled = true
		w.signaled = w.posted
	}
}

// completed notes that all up to id are done.
func (w *window) completed(id uint64) error {
	if id <= w.done || id > w.posted {
		return fmt.Errorf("rdma: write %d is done, after %d of %d", id, w.done, w.posted)
	}
	w.done = id
	return nil
}
