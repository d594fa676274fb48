package demo

import (
	"io"
	"strconv"

	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/proc"
)

// instance is a process that runs a stage.
type instance struct {
	process string
	stage   string
	node    int // index of the node that it is attached to
}

// instances are the pipeline's processes. A second enrich, on the node of the store, waits for the first to fail.
var instances = []instance{
	{"ingest", accesslog.StageIngest, 0},
	{"parse", accesslog.StageParse, 0},
	{"enrich-1", accesslog.StageEnrich, 1},
	{"store", accesslog.StageStore, 2},
	{"enrich-2", accesslog.StageEnrich, 2},
}

// startStages runs all stages. The first enrich to ask is the one that works; it is not known which that will be.
func (l *bench) startStages(nodes []lab.Node, c accesslog.Config) {
	for _, i := range instances {
		l.keep(proc.Spec{
			Name: i.process,
			Pipe: func(r io.Reader) error { return event.Read(r, l.emit) },
			Env:  []string{client.SocketEnv + "=" + nodes[i.node].Socket},
			Args: []string{stageVerb, "--name", i.process, "--stage", i.stage, "--input", c.Input, "--store", c.Store,
				"--rate", strconv.FormatFloat(c.Rate, 'g', -1, 64)},
		}, stageRestartAfter)
	}
}
