package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/locator"
)

// watchFlags are what to watch.
type watchFlags struct {
	prefix, node string
	kinds        []string
	all          bool
	from         uint64
}

func (f watchFlags) request(args []string) (api.WatchRequest, error) {
	q := api.WatchRequest{Prefix: f.prefix, Node: locator.NodeID(f.node), From: api.Revision(f.from)}
	if len(args) > 0 {
		if f.prefix != "" {
			return q, usagef("edge watch: PREFIX and --prefix are the same, give one")
		}
		q.Prefix = args[0]
	}
	if f.all {
		q.Mode = api.WatchAll
	}
	for _, k := range f.kinds {
		q.Kinds = append(q.Kinds, api.RecordKind(k))
	}
	if err := q.Check(); err != nil {
		return q, usagef("edge watch: %w", err)
	}
	return q, nil
}

func newEdgeWatch() *cobra.Command {
	r := &remote{}
	var f watchFlags
	cmd := r.flags(&cobra.Command{
		Use:   "watch [PREFIX]",
		Short: "What is, and then every change as it happens",
		Long: `Prints the edges that there are, then each change until interrupted. With --json, the stream as the API sends it, one event
a line: state, sync, change, bookmark. Whoever reads more slowly than things change is shown the newest of each edge; with
--all every change, or an error that says from where to go on.`,
		Example: `  grafnode edge watch
  grafnode edge watch access-log. --json | jq .edge.generation
  grafnode edge watch --node 0a5cc50c-d722-4e9d-9c5b-7c3a55e2455a --kind edge,lease,session`,
		Args: between(0, "PREFIX"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := f.request(args)
			if err != nil {
				return err
			}
			return r.ask(cmd, func(ctx context.Context, a *client.API) error { return r.watch(ctx, cmd.OutOrStdout(), a, q) })
		},
	})
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "only what has a name that begins so: as PREFIX")
	cmd.Flags().StringVar(&f.node, "node", "", "only what is on the node with this ID")
	cmd.Flags().StringSliceVar(&f.kinds, "kind", nil, "what to watch: edge, node, lease, session; default edge")
	cmd.Flags().BoolVar(&f.all, "all", false, "every change, not only the newest")
	cmd.Flags().Uint64Var(&f.from, "from", 0, "only what changed after this revision")
	return cmd
}

// watch shows events until interrupted.
func (r *remote) watch(ctx context.Context, w io.Writer, a *client.API, q api.WatchRequest) error {
	for event, err := range a.Watch(ctx, q) {
		if ctx.Err() != nil {
			return nil // as a watch ends
		}
		if errors.Is(err, api.ErrGap) {
			return fmt.Errorf("%w; everything up to revision %d was shown: without --all, --from %d shows the newest since",
				err, event.Revision, event.Revision)
		}
		if err != nil {
			return err
		}
		if err := r.showEvent(w, event); err != nil {
			return err
		}
	}
	return nil
}

func (r *remote) showEvent(w io.Writer, event api.Event) error {
	if r.json {
		line, err := event.Line()
		if err == nil {
			_, err = w.Write(line)
		}
		return err
	}
	at, what := eventText(event)
	if what == "" {
		return nil
	}
	if event.Left {
		what += "  left"
	}
	_, err := fmt.Fprintf(w, "%s  %s\n", when(at), what)
	return err
}

// eventText says in a line what an event tells, and when it happened if the record knows; nothing for one without a record.
func eventText(event api.Event) (at time.Time, what string) {
	switch gone := event.Deleted; {
	case event.Edge != nil && event.Gone() && !event.Left:
		return event.Edge.Changed, event.Edge.Name + "  deleted"
	case event.Edge != nil:
		e, beside := event.Edge, ""
		if e.Spare != nil {
			beside = "  spare " + spare(e.Spare)
		}
		return e.Changed, fmt.Sprintf("%s  generation %d on %s%s  %s -> %s  %s", e.Name, e.Generation, short(e.Locator.Node), beside,
			holder(e.Producer), holder(e.Consumer), e.Reason)
	case event.Node != nil && gone:
		return at, fmt.Sprintf("node %s  forgotten", short(event.Node.ID))
	case event.Node != nil:
		n := event.Node
		return at, fmt.Sprintf("node %s  %s at %s  incarnation %d", short(n.ID), dash(n.Name), n.Address, n.Incarnation)
	case event.Lease != nil:
		l := event.Lease
		return l.Granted, fmt.Sprintf("lease %s  %s on %s  %s", short(l.ID), dash(l.Edge+l.Name), short(l.Node), l.Status)
	case event.Session != nil && gone:
		return at, fmt.Sprintf("session %s  of %s on %s  ended", short(event.Session.ID), event.Session.Stage, short(event.Session.Node))
	case event.Session != nil:
		s := event.Session
		return s.Opened, fmt.Sprintf("session %s  of %s on %s", short(s.ID), s.Stage, short(s.Node))
	default:
		return at, ""
	}
}
