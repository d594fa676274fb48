package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/fabric"
)

// words returns the line that an event is shown as: what happened, in one word or two, and the rest. Events that are only
// counted have none.
func words(e event.Event) (what, rest string, ok bool) {
	switch e.Kind {
	case event.Killed:
		return "killed", e.Process + hurt(e), true
	case event.Exited:
		if e.Cause == "" {
			return "finished", e.Process, true
		}
		return "gone", fmt.Sprintf("%s: %s", e.Process, e.Cause), true
	case event.Started, event.Ready:
		return string(e.Kind), e.Process, true
	case event.Leading:
		if e.Process == "" {
			return "leader", "none", true
		}
		return "leader", e.Process, true
	case event.Lost:
		return "ring lost", fmt.Sprintf("%s of %s: %s", e.Edge, e.Process, short(e.Cause)), true
	case event.Claimed:
		return "claimed", fmt.Sprintf("%s by %s, epoch %d", role(e), e.Process, e.Generation), true
	case event.Bound:
		return "bound", fmt.Sprintf("%s, generation %d: %s", role(e), e.Generation, e.Process), true
	case event.FirstItem:
		if e.Role == fabric.RoleConsumer {
			return "flowing", fmt.Sprintf("%s, generation %d: first new item at %s", e.Edge, e.Generation, e.Process), true
		}
	case event.Changed:
		return changed(e)
	}
	return "", "", false
}

func hurt(e event.Event) string {
	if e.Edge == "" {
		return fmt.Sprintf(" (%s)", e.What)
	}
	return fmt.Sprintf(" (%s), which %s needs", e.What, e.Edge)
}

func role(e event.Event) string { return fmt.Sprintf("%s of %s", e.Role, e.Edge) }

// changed tells the change of a record by its reason.
func changed(e event.Event) (what, rest string, ok bool) {
	where := fmt.Sprintf("%s, generation %d, ring on %s", e.Edge, e.Generation, e.Node)
	switch api.Reason(e.Cause) {
	case api.ReasonCreated:
		return "created", where, true
	case api.ReasonTakeover:
		return "taken over", where, true
	case api.ReasonGone:
		return "role free", fmt.Sprintf("%s: its process has gone", e.Edge), true
	case api.ReasonRecovered:
		return "adopted", where, true
	case api.ReasonSpareArmed:
		return "spare armed", where, true
	case api.ReasonMoved:
		return "moved to spare", where, true
	case api.ReasonSpareLost:
		return "spare lost", where, true
	default:
		return "relocated", fmt.Sprintf("%s (%s)", where, e.Cause), true
	}
}

// short returns the end of an error's text, where its root stands.
func short(cause string) string {
	parts := strings.Split(cause, ": ")
	return strings.Join(parts[max(len(parts)-2, 0):], ": ")
}

// stamp writes the time since the start.
func stamp(since time.Duration) string { return fmt.Sprintf("%7.3f s", since.Seconds()) }
