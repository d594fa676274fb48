package stream_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// A whole pipeline in one process, on a cluster in memory. A real one gets a *client.Client, which keeps the cursors too.
func Example() {
	cluster := edgetest.New()
	defer cluster.Close()
	registry := &durabletest.Registry{}
	var words streamtest.Sink[string]
	var rejects streamtest.Sink[stream.Rejected]

	p := stream.New(cluster.Client("example"), "words", stream.CheckpointIn(func(key string) durable.Store {
		return durable.NewRegister(registry, key)
	}))
	lines := stream.From(p, "ingest", source.Slice[string]{"to be", "", "or not"})
	full := stream.Map(lines, "check", func(_ context.Context, line string) (string, error) {
		if line == "" {
			return "", stream.Reject("blank line")
		}
		return line, nil
	}, stream.DeadLetter(&rejects))
	loud := stream.Map(full, "shout", func(_ context.Context, line string) (string, error) {
		return strings.ToUpper(line), nil
	}, stream.Workers(4))
	stream.To(loud, "store", &words)

	fmt.Println(p.Run(context.Background()))
	fmt.Println(words.Values())
	for _, r := range rejects.Items() {
		fmt.Println(r.Pos, r.Value.Reason)
	}
	// Output:
	// <nil>
	// [TO BE OR NOT]
	// 0:2 blank line
}
